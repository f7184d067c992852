import { Aggregators, Predicates } from 'hazelcast-client';
import type { SessionStoreOperation } from '../../contract/store.js';
import type { Envelopes } from './envelope.js';
import { problemOf } from './errors.js';
import type { JsonMap, Predicate } from './map.js';
import { PLACES, firstRange, nextRange, type Range } from './places.js';

/** Keys of the map, and where to go on; `next` is absent when there are no more. */
export interface Keys {
  keys: string[];
  next?: string;
}

/** Runs a call that needs the indexes. */
type Query = <T>(operation: SessionStoreOperation, work: (sessions: JsonMap) => Promise<T>) => Promise<T>;

/** About how many sessions a walk through all asks for at a time. */
const WALKED_A_STEP = 1000;

/**
 * Finds sessions: those of a group by its index, all of them range by range of their places, so that neither members
 * nor we ever hold the keys of a whole map. Numbers go as texts, because clients differ in what they make of a number.
 */
export class SessionLists {
  constructor(
    private readonly envelopes: Envelopes,
    private readonly prefix: string,
    private readonly query: Query,
  ) {}

  /** How many sessions of a group, or of all, are live. */
  count(group: string | undefined): Promise<number> {
    const fitting = group === undefined ? this.ours() : this.members(group);
    return this.query('count', (sessions) => sessions.count(Aggregators.count(), live(fitting)));
  }

  /** Up to `limit` keys of a group's sessions behind `after`, in their own order, which no change moves. */
  async keysOfGroup(group: string, after: string | undefined, limit: number): Promise<Keys> {
    const behind = after === undefined ? undefined : this.envelopes.keyOf(after);
    const keys = await this.keys(live(this.members(group)), behind, limit);
    return keys.length < limit ? { keys } : { keys, next: this.envelopes.idOf(keys.at(-1) as string) };
  }

  /** Up to `limit` keys of all sessions behind `after`: range by range, and in their own order within one. */
  async keysOfAll(after: string | undefined, limit: number): Promise<Keys> {
    const keys: string[] = [];
    let at: { range: Range | undefined; behind?: string } =
      after === undefined ? { range: await this.firstRange('page', limit) } : this.positionIn(after);
    while (at.range) {
      const { range, behind } = at;
      const wanted = limit - keys.length;
      const found = await this.keys(this.inRange(range), behind, wanted);
      keys.push(...found);
      if (found.length === wanted) {
        const last = this.envelopes.idOf(found.at(-1) as string);
        return { keys, next: `${range.from}-${range.to}:${last}` };
      }
      // Of a range that a page before began, how many there were is not known.
      at = { range: nextRange(range, behind === undefined ? found.length : limit, limit) };
    }
    return { keys };
  }

  /** The keys of all that are in a group, or of all there are, in portions. What comes meanwhile makes it no longer. */
  async *allKeys(group: string | undefined): AsyncGenerator<string[]> {
    if (group !== undefined) {
      yield await this.query('clear', (sessions) => sessions.keys(this.members(group)));
      return;
    }
    let range: Range | undefined = await this.firstRange('clear', WALKED_A_STEP);
    while (range) {
      const fitting = this.inRange(range);
      const keys: string[] = await this.query('clear', (sessions) => sessions.keys(fitting));
      yield keys;
      range = nextRange(range, keys.length, WALKED_A_STEP);
    }
  }

  private keys(fitting: Predicate, behind: string | undefined, limit: number): Promise<string[]> {
    const rest =
      behind === undefined ? fitting : Predicates.and(fitting, Predicates.greaterThan('__key', behind));
    return this.query('page', (sessions) => sessions.keys(Predicates.paging(rest, limit)));
  }

  private async firstRange(operation: SessionStoreOperation, wanted: number): Promise<Range> {
    return firstRange(await this.query(operation, (sessions) => sessions.size()), wanted);
  }

  /** The range and the key that `keysOfAll` gave out as `next`. */
  private positionIn(after: string): { range: Range; behind: string } {
    const [head, from, to] = /^(\d{1,10})-(\d{1,10}):/.exec(after) ?? [];
    const range = { from: Number(from), to: Number(to) };
    if (head === undefined || range.from >= range.to || range.to > PLACES) {
      throw new TypeError('after must be the `next` of an earlier page');
    }
    return { range, behind: this.envelopes.keyOf(after.slice(head.length)) };
  }

  private ours(): Predicate {
    return Predicates.equal('prefix', this.prefix);
  }

  private members(group: string): Predicate {
    return Predicates.equal('groups[any]', this.envelopes.groupOf(group));
  }

  private inRange({ from, to }: Range): Predicate {
    return Predicates.and(this.ours(), Predicates.between('place', String(from), String(to - 1)));
  }
}

function live(fitting: Predicate): Predicate {
  return Predicates.and(fitting, Predicates.greaterThan('expiresAt', String(Date.now())));
}

/** Adds the indexes that the lists need; where they are there already, nothing happens, whoever added them. */
export async function addIndexes(map: JsonMap): Promise<void> {
  try {
    await Promise.all([
      map.addIndex('HASH', 'groups[any]'),
      map.addIndex('SORTED', 'prefix', 'place'),
      // Not on the expiry alone: a member would take it for a group's sessions, too, and walk through all there are.
      map.addIndex('SORTED', 'prefix', 'expiresAt'),
    ]);
  } catch (error) {
    const problem = `the map ${map.name} takes no index: is it free for sessions, and may this client add indexes?`;
    throw problemOf('open', problem, error);
  }
}
