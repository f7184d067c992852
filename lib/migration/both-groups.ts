import { excessOf, type SessionGroupLimit, type SessionLimitedJoin } from '../contract/limit.js';
import { pagesOf } from '../contract/pages.js';
import type { SessionPage, SessionPageOptions, SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { notInGroup } from './express-source.js';
import type { Leftovers } from './leftovers.js';
import { movedAt, unmarked } from './mark.js';
import type { Source } from './source.js';

/** How many sessions of the old store end in parallel. */
const AT_ONCE = 32;

// What the position of a page begins with: the store in which it is.
const OLD = '<';
const NEW = '>';

/** The calls about one session that those about many are made of. */
export interface SessionCalls {
  now(): number;
  read(id: string): Promise<SessionRecord | undefined>;
  /** Ends a session in both stores. Resolves to whether it was live. */
  end(id: string): Promise<boolean>;
  haveEnded(ids: string[]): Promise<boolean>;
}

/** The calls about groups, or all sessions, of an old store and a new one. */
export class BothGroups {
  readonly #source: Source;
  readonly #target: SessionStore;
  readonly #leftovers: Leftovers;
  readonly #moves: boolean;
  readonly #sessions: SessionCalls;

  constructor(
    source: Source,
    target: SessionStore,
    leftovers: Leftovers,
    moves: boolean,
    sessions: SessionCalls,
  ) {
    this.#source = source;
    this.#target = target;
    this.#leftovers = leftovers;
    this.#moves = moves;
    this.#sessions = sessions;
  }

  /** First the pages of the old store: a session that moves meanwhile is on a later one. */
  async page({ group, after = OLD, limit }: SessionPageOptions): Promise<SessionPage> {
    if (after.startsWith(NEW)) return this.#newPage({ group, after: after.slice(1), limit });
    if (!after.startsWith(OLD)) throw new TypeError('after must be the next of a page');
    const { records, next } = await this.#source.page({ group, after: after.slice(1) || undefined, limit });
    if (next !== undefined) return { records, next: OLD + next };
    // With one more, because a page must have a limit.
    const rest = await this.#newPage({ group, limit: Math.max(1, limit - records.length) });
    if (records.length < limit) return { ...rest, records: [...records, ...rest.records] };
    return rest.records.length === 0 ? { records } : { records, next: NEW };
  }

  async #newPage({ group, after, limit }: SessionPageOptions): Promise<SessionPage> {
    const { records, next } = await this.#target.page({ group, after: after || undefined, limit });
    const page = { records: records.map(unmarked) };
    return next === undefined ? page : { ...page, next: NEW + next };
  }

  async count(group: string | undefined): Promise<number> {
    if (group === undefined) return (await this.#source.store.count()) + (await this.#target.count());
    const ids = new Set<string>();
    for await (const records of this.#source.members(group)) for (const { id } of records) ids.add(id);
    if (ids.size === 0) return this.#target.count(group);
    for await (const records of pagesOf(this.#target, group)) for (const { id } of records) ids.add(id);
    return ids.size;
  }

  /** First those in the old store: a session that moves meanwhile is then in the new one. */
  async clear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    const kept = await this.#withOrigins(except);
    const seen = new Set<string>();
    let ended = 0;
    for await (const records of this.#source.members(group)) {
      const ids = records.map(({ id }) => id).filter((id) => !except.has(id));
      for (const id of ids) seen.add(id);
      for (let at = 0; at < ids.length; at += AT_ONCE) {
        const wereLive = await Promise.all(ids.slice(at, at + AT_ONCE).map((id) => this.#sessions.end(id)));
        ended += wereLive.filter(Boolean).length;
      }
    }
    if (group !== undefined) await this.#removeLeftovers(group, except);
    // Those that processes without a migration have regenerated. That of a session that has moved is no end.
    if (!this.#moves && this.#source.isOurs) ended += await this.#source.store.clear(group, kept);
    ended += await this.#target.clear(group, kept);
    return ended + (await this.#endSuccessors(group, seen, except));
  }

  /**
   * Ends the sessions that processes which do not move any have created in the old store since, in the place of those that
   * have ended. An express-session store does not keep in whose place they are.
   */
  async #endSuccessors(
    group: string | undefined,
    seen: Set<string>,
    except: ReadonlySet<string>,
  ): Promise<number> {
    let ended = 0;
    for await (const records of this.#source.members(group)) {
      for (const { id, from = [] } of records) {
        if (seen.has(id) || except.has(id)) continue;
        const isSuccessor = this.#source.isOurs ? await this.#sessions.haveEnded(from) : true;
        if (isSuccessor && (await this.#sessions.end(id))) ended++;
      }
    }
    return ended;
  }

  /**
   * Removes what movers that have stopped may have left of the sessions of a group in the new store. In the old one a session
   * is not in the groups that it joined after it has moved.
   */
  async #removeLeftovers(group: string, except: ReadonlySet<string>): Promise<void> {
    for await (const records of pagesOf(this.#target, group)) {
      const moved = records.filter((record) => movedAt(record) !== undefined && !except.has(record.id));
      for (let at = 0; at < moved.length; at += AT_ONCE)
        await Promise.all(moved.slice(at, at + AT_ONCE).map(({ id }) => this.#leftovers.removeNow(id)));
    }
  }

  /** With the ids of the sessions that they came from, whose tombstones may be in the other store. */
  async #withOrigins(ids: ReadonlySet<string>): Promise<Set<string>> {
    const all = new Set(ids);
    for (const id of ids) for (const origin of (await this.#sessions.read(id))?.from ?? []) all.add(origin);
    return all;
  }

  /** A session in an express-session store is in its groups already, by its data. */
  async limitByData(newcomer: SessionRecord, limit: SessionGroupLimit): Promise<SessionLimitedJoin> {
    const { id, groups } = newcomer;
    const { group, max, whenFull } = limit;
    if (!groups.includes(group)) throw notInGroup();
    const members = new Map<string, SessionRecord>();
    for await (const records of pagesOf(this, group)) for (const one of records) members.set(one.id, one);
    members.set(id, { ...newcomer, joinedAt: this.#sessions.now() });
    const all = [...members.values()];
    if (whenFull === 'reject' && all.length > max)
      return { is: 'full', members: all.filter((member) => member.id !== id) };
    const ended: SessionRecord[] = [];
    for (const member of excessOf(all, limit, id))
      if (await this.#sessions.end(member.id)) ended.push(member);
    return ended.some((member) => member.id === id) ? { is: 'gone' } : { is: 'joined', ended };
  }
}
