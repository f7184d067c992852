import { notNext } from '../../contract/checks.js';
import type { SessionStoreOperation } from '../../contract/capabilities.js';
import { driver } from './driver.js';
import type { Envelopes } from './envelope.js';
import { problemOf } from './errors.js';
import type { JsonMap, Predicate } from './map.js';
import { PLACES, firstRange, nextRange, type Range } from './places.js';

/** Keys of the map, each with where to go on after it. */
export interface Keys {
  found: { key: string; next: string }[];
  /** Whether there are no more. */
  areLast: boolean;
}

/** Runs a call that needs the indexes. */
type Query = <T>(operation: SessionStoreOperation, work: (sessions: JsonMap) => Promise<T>) => Promise<T>;

/** About how many sessions one step of a walk through all sessions reads. */
const WALKED_A_STEP = 1000;

/**
 * Finds sessions: those of a group by an index, all of them range by range of their places, so that neither members nor
 * this process ever hold the keys of a whole map. A query that does not compare the expiry also finds the tombstones of
 * regenerated sessions, which have none. Numbers are sent as strings, because clients encode numbers differently.
 */
export class SessionLists {
  constructor(
    private readonly envelopes: Envelopes,
    private readonly prefix: string,
    private readonly query: Query,
    private readonly areSettled: () => boolean,
    private readonly now: () => number,
  ) {}

  /** How many sessions of a group, or of all, are live. */
  count(group: string | undefined): Promise<number> {
    const fitting = group === undefined ? this.ours() : this.members(group);
    return this.exactly('count', this.live(fitting), (sessions, predicate) =>
      sessions.count(driver().Aggregators.count(), predicate),
    );
  }

  /** Up to `limit` keys of a group's sessions after `after`, in order of the keys, which never change. */
  async keysOfGroup(group: string, after: string | undefined, limit: number): Promise<Keys> {
    const behind = after === undefined ? undefined : this.envelopes.keyOf(after);
    const keys = await this.keys(this.live(this.members(group)), behind, limit);
    const found = keys.map((key) => ({ key, next: this.envelopes.idOf(key) }));
    return { found, areLast: keys.length < limit };
  }

  /** Up to `limit` keys of all sessions after `after`: range by range, and in order of the keys within a range. */
  async keysOfAll(after: string | undefined, limit: number): Promise<Keys> {
    const found: Keys['found'] = [];
    let at: { range: Range | undefined; behind?: string } =
      after === undefined ? { range: await this.firstRange('page', limit) } : this.positionIn(after);
    while (at.range) {
      const { range, behind } = at;
      const wanted = limit - found.length;
      const keys = await this.keys(this.inRange(range), behind, wanted);
      const { from, to } = range;
      found.push(...keys.map((key) => ({ key, next: `${from}-${to}:${this.envelopes.idOf(key)}` })));
      if (keys.length === wanted) return { found, areLast: false };
      // If an earlier page began the range, it is not known how many sessions it has.
      at = { range: nextRange(range, behind === undefined ? keys.length : limit, limit) };
    }
    return { found, areLast: true };
  }

  /** The keys of a group's sessions, or of all, in portions. Sessions that join meanwhile do not make it longer. */
  async *allKeys(group: string | undefined): AsyncGenerator<string[]> {
    if (group !== undefined) {
      yield await this.exactly('clear', this.members(group), (sessions, predicate) =>
        sessions.keys(predicate),
      );
      return;
    }
    let range: Range | undefined = await this.firstRange('clear', WALKED_A_STEP);
    while (range) {
      const fitting = this.inRange(range);
      const keys: string[] = await this.exactly('clear', fitting, (sessions, predicate) =>
        sessions.keys(predicate),
      );
      yield keys;
      range = nextRange(range, keys.length, WALKED_A_STEP);
    }
  }

  /** The keys of a group's sessions, or of all, that were created in the place of another one. */
  successorKeys(group: string | undefined): Promise<string[]> {
    const fitting = group === undefined ? this.inRange({ from: 0, to: PLACES }) : this.members(group);
    const { and, equal } = driver().Predicates;
    return this.exactly('clear', and(fitting, equal('isSuccessor', true)), (sessions, predicate) =>
      sessions.keys(predicate),
    );
  }

  private keys(fitting: Predicate, behind: string | undefined, limit: number): Promise<string[]> {
    const rest =
      behind === undefined
        ? fitting
        : driver().Predicates.and(fitting, driver().Predicates.greaterThan('__key', behind));
    return this.exactly('page', rest, (sessions, predicate) =>
      sessions.keys(driver().Predicates.paging(predicate, limit)),
    );
  }

  /**
   * Finds the sessions that match a predicate, by an index. While partitions move, an index may miss some, even if that
   * began during the query. Then queries again, and members check each session.
   */
  private exactly<T>(
    operation: SessionStoreOperation,
    fitting: Predicate,
    ask: (sessions: JsonMap, fitting: Predicate) => Promise<T>,
  ): Promise<T> {
    return this.query(operation, async (sessions) => {
      if (this.areSettled()) {
        const found = await ask(sessions, fitting);
        if (this.areSettled()) return found;
      }
      return ask(sessions, withoutIndex(fitting));
    });
  }

  private async firstRange(operation: SessionStoreOperation, wanted: number): Promise<Range> {
    return firstRange(await this.query(operation, (sessions) => sessions.size()), wanted);
  }

  /** The range and the key in the `next` of `keysOfAll`. */
  private positionIn(after: string): { range: Range; behind: string } {
    const [head, from, to] = /^(\d{1,10})-(\d{1,10}):/.exec(after) ?? [];
    const range = { from: Number(from), to: Number(to) };
    if (head === undefined || range.from >= range.to || range.to > PLACES) {
      throw notNext();
    }
    return { range, behind: this.envelopes.keyOf(after.slice(head.length)) };
  }

  private ours(): Predicate {
    return driver().Predicates.equal('prefix', this.prefix);
  }

  private members(group: string): Predicate {
    return driver().Predicates.equal('groups[any]', this.envelopes.groupOf(group));
  }

  private live(fitting: Predicate): Predicate {
    const { and, greaterThan } = driver().Predicates;
    return and(fitting, greaterThan('expiresAt', String(this.now())));
  }

  private inRange({ from, to }: Range): Predicate {
    return driver().Predicates.and(
      this.ours(),
      driver().Predicates.between('place', String(from), String(to - 1)),
    );
  }
}

/** The same predicate, for which members use no index: they use one only if both sides of an `or` have one. */
function withoutIndex(fitting: Predicate): Predicate {
  const { or, equal } = driver().Predicates;
  return or(fitting, equal('version', '0'));
}

/** Adds the indexes that the lists need. Does nothing for an index that exists. */
export async function addIndexes(map: JsonMap): Promise<void> {
  try {
    await Promise.all([
      map.addIndex('HASH', 'groups[any]'),
      map.addIndex('SORTED', 'prefix', 'place'),
      // Not on the expiry alone: members would use it for a group's sessions too, and walk through all sessions.
      map.addIndex('SORTED', 'prefix', 'expiresAt'),
    ]);
  } catch (error) {
    const problem = `the map ${map.name} rejected an index. Is the map used for sessions only, and may this client add indexes?`;
    throw problemOf('open', problem, error);
  }
}
