import { setTimeout as wait } from 'node:timers/promises';
import { checkTimeout, withDeadline } from '../../contract/deadline.js';
import { Opening } from '../../contract/opening.js';
import {
  applyChange,
  applyRotation,
  checkChange,
  checkGroup,
  checkId,
  checkPage,
  checkRecord,
  checkRotation,
  exceptIds,
} from '../../contract/record.js';
import {
  SessionStore,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
} from '../../contract/store.js';
import { checkNoOthers, checkPrefix } from '../../contract/options.js';
import { HazelcastConnection, type HazelcastConnectionOptions } from './connection.js';
import { Envelopes, isLive, ttlOf, type Envelope } from './envelope.js';
import { failed, problemOf } from './errors.js';
import { SessionLists, addIndexes } from './lists.js';
import { JsonMap } from './map.js';
import { Replicas, type Projected, type ReplicaMap } from './replica.js';

/** Where sessions are kept, what is kept beside them, and how long a call may take. */
export interface HazelcastStoreOptions extends HazelcastConnectionOptions {
  /**
   * The map of the sessions, then any number of replica maps; `[{ mapName: 'Sessions' }]` by default. A create, a save
   * or a touch takes one round trip, with replica maps three; a destroy one, with them two; a read always one.
   *
   * Members replace an entry and set its lifetime in two steps. When a crash comes between them, or a partition moves, the
   * entry has the lifetime that its map has by default. So give these maps a `time-to-live-seconds` above the longest
   * session: a shorter one ends sessions early, and none leaves entries for ever, though not their sessions, which
   * expire to the millisecond. Give them no `max-idle-seconds`.
   */
  maps?: [{ mapName: string }, ...ReplicaMap[]];
  /**
   * What all keys start with, before a `/`: `%25` and `%2F` stand for `%` and `/` in it, so that no store reaches into
   * another's. Nothing by default: then keys have no `/` either. Stores of one prefix share their sessions.
   */
  prefix?: string;
  /** How long a call waits for the members, in milliseconds; 2 000 by default. */
  timeout?: number;
}

/** How many sessions a clear ends at a time. */
const CLEARED_A_STEP = 500;

/** How long, in milliseconds, who lost a race waits at most before the next try. */
const LONGEST_PAUSE = 50;

/** A call that is under way. */
interface Call {
  sessions: JsonMap;
  /** Whether its caller has given up: nothing may begin after. */
  isOver(): boolean;
  /** How often others were quicker. */
  lost: number;
}

/**
 * Sessions in the maps of a Hazelcast cluster: each is one entry, which a write replaces only if it is still what was
 * read.
 */
export class HazelcastStore extends SessionStore {
  private readonly connection: HazelcastConnection;
  private readonly mapNames: string[];
  private readonly envelopes: Envelopes;
  private readonly lists: SessionLists;
  private readonly replicas: Replicas;
  private readonly timeout: number;
  private sessions: JsonMap | undefined;
  /** Until a member comes that may be one of a cluster that was started anew, and has no indexes. */
  private isIndexed = false;
  private readonly opening = new Opening();
  /** What was last read or written of a record that a caller has: a write that starts from it needs no read. */
  private readonly hints = new WeakMap<SessionRecord, string>();

  constructor(options: HazelcastStoreOptions) {
    super();
    const {
      maps = [{ mapName: 'Sessions' }],
      prefix = '',
      timeout,
      client,
      config,
      ...others
    } = options ?? {};
    checkNoOthers('HazelcastStore', others, 'client, config, maps, prefix and timeout');
    checkPrefix(prefix);
    const [, ...replicas] = maps;
    this.mapNames = checkNames(maps);
    this.timeout = checkTimeout(timeout);
    this.connection = new HazelcastConnection({ client, config }, this.mapNames, this.timeout, () => {
      this.isIndexed = false;
    });
    this.envelopes = new Envelopes(prefix);
    this.lists = new SessionLists(this.envelopes, prefix, (operation, work) => this.query(operation, work));
    this.replicas = new Replicas(replicas, (id) => this.envelopes.keyOf(id));
  }

  override open(): Promise<void> {
    return this.opening.open(() => this.connect());
  }

  override close(): Promise<void> {
    return this.opening.close(() => this.connection.close());
  }

  async create(record: SessionRecord): Promise<void> {
    checkRecord(record);
    const key = this.envelopes.keyOf(record.id);
    await this.ask('create', async (call) => {
      const { sessions } = call;
      const made = this.envelopes.first(record, Date.now());
      const projected = this.replicas.project('create', made);
      for (;;) {
        if (call.isOver()) await this.giveUp('create', call, record.id);
        const now = Date.now();
        const isDead = !isLive(made, now);
        const found = await (isDead ? sessions.get(key) : sessions.add(key, made.text, ttlOf(made, now)));
        // A client may send it twice, and then meets itself.
        if (found === undefined || found === made.text) break;
        const other = this.envelopes.read(record.id, found);
        if (other && isLive(other, now)) {
          if (call.lost > 0) await this.keepAlive(sessions, record.id);
          if (other.record.secretHash === record.secretHash) return;
          throw problemOf('create', 'the id is in use by another session: genid must never give one twice');
        }
        if (isDead || (await this.replace(sessions, found, made, now))) break;
        await this.pause(call);
      }
      if (isLive(made, Date.now())) await this.follow(sessions, projected, []);
    });
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    checkId(id);
    const text = await this.ask('read', ({ sessions }) => sessions.get(this.envelopes.keyOf(id)));
    return text === undefined ? undefined : this.recordOf(id, text);
  }

  async update(
    record: SessionRecord,
    change: SessionChange,
  ): Promise<{ expiresAt: number; secretHash: string } | undefined> {
    checkId(record.id);
    checkChange(change);
    const changed = await this.revise('update', record, (found) => applyChange(found, change));
    return changed && { expiresAt: changed.expiresAt, secretHash: changed.secretHash };
  }

  async rotate(
    record: SessionRecord,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    checkRotation(record.id, presented, secretHash, grace);
    const rotated = await this.revise('rotate', record, (found, now) =>
      applyRotation(found, presented, secretHash, grace, now),
    );
    return rotated?.secretHash;
  }

  async destroy(id: string): Promise<boolean> {
    checkId(id);
    return this.ask('destroy', ({ sessions }) => this.end(sessions, id));
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    checkPage(options);
    const { group, after, limit } = options;
    const { keys, next } = await (group === undefined
      ? this.lists.keysOfAll(after, limit)
      : this.lists.keysOfGroup(group, after, limit));
    const found = keys.length === 0 ? [] : await this.ask('page', ({ sessions }) => sessions.getAll(keys));
    const records = found.flatMap(([key, text]) => {
      const record = text !== undefined && this.recordOf(this.envelopes.idOf(key), text);
      // It may have ended or left since it was found.
      return record && (group === undefined || record.groups.includes(group)) ? [record] : [];
    });
    return next === undefined ? { records } : { records, next };
  }

  async count(group?: string): Promise<number> {
    if (group !== undefined) checkGroup(group);
    return this.lists.count(group);
  }

  async clear(group?: string, except?: Iterable<string>): Promise<number> {
    if (group !== undefined) checkGroup(group);
    const kept = exceptIds(except);
    let ended = 0;
    for await (const keys of this.lists.allKeys(group)) {
      const ending = keys.map((key) => this.envelopes.idOf(key)).filter((id) => !kept.has(id));
      for (let at = 0; at < ending.length; at += CLEARED_A_STEP) {
        const some = ending.slice(at, at + CLEARED_A_STEP);
        const were = await this.ask('clear', ({ sessions }) =>
          Promise.all(some.map((id) => this.end(sessions, id))),
        );
        ended += were.filter(Boolean).length;
      }
    }
    return ended;
  }

  private async connect(): Promise<void> {
    const client = await this.connection.open();
    this.isIndexed = false;
    const prepare = async (): Promise<void> => {
      const maps = await Promise.all(this.mapNames.map((name) => client.getMap<string, unknown>(name)));
      const [sessions, ...replicas] = maps.map((map) => new JsonMap(map)) as [JsonMap, ...JsonMap[]];
      this.sessions = sessions;
      this.replicas.open(replicas);
      // A member that stays mute holds up indexes, but no start: without them lists take longer, and are as right.
      const isSlow = new Error();
      await withDeadline(this.index(sessions), Math.ceil(this.timeout / 2), () => isSlow).catch((error) => {
        if (error !== isSlow) throw error;
      });
    };
    try {
      await withDeadline(prepare(), this.timeout, () => this.late('open', 0));
    } catch (error) {
      await this.connection.close();
      throw failed('open', error);
    }
  }

  private async index(sessions: JsonMap): Promise<void> {
    if (this.isIndexed) return;
    this.isIndexed = true;
    await addIndexes(sessions).catch((error: unknown) => {
      this.isIndexed = false;
      throw error;
    });
  }

  /** Reads a session, or takes it from the hint, changes it, and writes it if it is still what was read. */
  private revise(
    operation: string,
    hint: SessionRecord,
    change: (record: SessionRecord, now: number) => SessionRecord,
  ): Promise<SessionRecord | undefined> {
    const { id } = hint;
    const key = this.envelopes.keyOf(id);
    return this.ask(operation, async (call) => {
      const { sessions } = call;
      for (let known = this.hints.get(hint); ; known = undefined) {
        const text = known ?? (await sessions.get(key));
        const now = Date.now();
        const found = text === undefined ? undefined : this.envelopes.read(id, text);
        const record = found && isLive(found, now) ? change(found.record, now) : undefined;
        const next = found && record && this.envelopes.next(found, record, now);
        if (!found || !record || !next) {
          // A hint may be out of date, so it cannot tell that there is nothing to do.
          if (known !== undefined) continue;
          return record;
        }
        if (call.isOver()) await this.giveUp(operation, call, id);
        if (isLive(next, now)) {
          const projected = this.replicas.project(operation, next);
          const [isDone, held] = await Promise.all([
            this.replace(sessions, found.text, next, now),
            this.replicas.held(id),
          ]);
          if (isDone) {
            this.hints.set(hint, next.text);
            await this.follow(sessions, projected, held);
            return record;
          }
        } else if (await this.endSame(sessions, found)) {
          return undefined;
        }
        await this.pause(call);
      }
    });
  }

  private async replace(sessions: JsonMap, from: string, next: Envelope, now: number): Promise<boolean> {
    const { id } = next.record;
    try {
      return await sessions.replace(this.envelopes.keyOf(id), from, next.text, ttlOf(next, now));
    } catch (error) {
      // Another may have won, and got our lifetime.
      this.afterwards(() => this.keepAlive(sessions, id));
      throw error;
    }
  }

  /** Lets the replicas follow a session that was written. */
  private async follow(sessions: JsonMap, projected: Projected, held: (string | undefined)[]): Promise<void> {
    const { id } = projected.envelope.record;
    await this.leavingNoOrphan(sessions, id, () =>
      this.replicas.follow(projected, held, () => this.current(sessions, id)),
    );
  }

  private async current(sessions: JsonMap, id: string): Promise<Envelope | undefined> {
    const text = await sessions.get(this.envelopes.keyOf(id));
    return text === undefined ? undefined : this.envelopes.read(id, text);
  }

  /** Ends a session, then its replicas; resolves to whether it was live. */
  private async end(sessions: JsonMap, id: string): Promise<boolean> {
    const text = await this.leavingNoOrphan(sessions, id, async () => {
      const removed = await sessions.remove(this.envelopes.keyOf(id));
      await this.replicas.remove(id);
      return removed;
    });
    const ended = text === undefined ? undefined : this.envelopes.read(id, text);
    return ended !== undefined && isLive(ended, Date.now());
  }

  /** Ends a session that is still what was found, then its replicas; resolves to whether it was. */
  private endSame(sessions: JsonMap, { record: { id }, text }: Envelope): Promise<boolean> {
    return this.leavingNoOrphan(sessions, id, async () => {
      const isDone = await sessions.removeSame(this.envelopes.keyOf(id), text);
      if (isDone) await this.replicas.remove(id);
      return isDone;
    });
  }

  /**
   * Takes steps that may leave replicas of a session that is gone when one of them fails, as it may have been done. A
   * retry of a clear would not find them.
   */
  private async leavingNoOrphan<T>(sessions: JsonMap, id: string, steps: () => Promise<T>): Promise<T> {
    try {
      return await steps();
    } catch (error) {
      this.afterwards(async () => {
        if (this.replicas.areNone || (await this.current(sessions, id))) return;
        await this.replicas.remove(id);
      });
      throw error;
    }
  }

  /** Does what a failed call left behind: tries for as long as a call may take, and keeps nobody waiting. */
  private afterwards(work: () => Promise<void>): void {
    const end = performance.now() + this.timeout;
    const attempt = (): Promise<void> =>
      work().catch(async () => {
        await wait(LONGEST_PAUSE, undefined, { ref: false });
        if (performance.now() < end) await attempt();
      });
    void attempt();
  }

  /**
   * Who lost a race has set a lifetime that may be shorter than the winner's. The next try mends it; who gives up does
   * it here.
   */
  private async keepAlive(sessions: JsonMap, id: string): Promise<void> {
    const key = this.envelopes.keyOf(id);
    let text = await sessions.get(key);
    for (let found: Envelope | undefined; text !== undefined;) {
      found = this.envelopes.read(id, text);
      if (found) await sessions.setTtl(key, ttlOf(found, Date.now()));
      const now = await sessions.get(key);
      if (now === text) return;
      text = now;
    }
  }

  /** Fails: what was not done in time must not pass for a session that is gone, or for done. */
  private async giveUp(operation: string, { sessions, lost }: Call, id: string): Promise<never> {
    if (lost > 0) await this.keepAlive(sessions, id);
    throw this.late(operation, lost);
  }

  /** Waits a little before the next try, longer the more often others were quicker, and not at all at first. */
  private async pause(call: Call): Promise<void> {
    if (call.lost++ > 0) await wait(Math.random() * Math.min(LONGEST_PAUSE, 2 ** call.lost));
  }

  /** The live record that a text holds. A damaged one lacks its creation, so that whoever reads it sees it. */
  private recordOf(id: string, text: string): SessionRecord | undefined {
    const found = this.envelopes.read(id, text);
    if (!found) {
      const data = Object.create(null) as Record<string, string>;
      return { id, secretHash: '', data, groups: [], createdAt: NaN, expiresAt: NaN };
    }
    if (!isLive(found, Date.now())) return undefined;
    this.hints.set(found.record, text);
    return found.record;
  }

  /** Runs a call that needs the indexes. */
  private query<T>(operation: string, work: (sessions: JsonMap) => Promise<T>): Promise<T> {
    return this.ask(operation, async ({ sessions }) => {
      // Without them it takes longer, and is as right.
      await this.index(sessions).catch(() => {});
      return work(sessions);
    });
  }

  /** Runs a call that ends within the timeout, however the client fares. */
  private async ask<T>(operation: string, work: (call: Call) => Promise<T>): Promise<T> {
    this.connection.check(operation);
    const end = performance.now() + this.timeout;
    const call: Call = {
      sessions: this.sessions as JsonMap,
      isOver: () => performance.now() >= end,
      lost: 0,
    };
    try {
      return await withDeadline(work(call), this.timeout, () => this.late(operation, call.lost));
    } catch (error) {
      throw failed(operation, error);
    }
  }

  private late(operation: string, lost: number): Error {
    const problem =
      lost > 1
        ? `others wrote the same session first, ${lost} times in ${this.timeout} ms: spread its writes, or raise the timeout`
        : `no answer from the members in ${this.timeout} ms: are they running, and not overloaded?`;
    return problemOf(operation, problem);
  }
}

function checkNames(maps: { mapName: string }[]): string[] {
  if (!Array.isArray(maps) || maps.length === 0) {
    throw new TypeError('maps must be [{ mapName }, { mapName, bean }, …]');
  }
  const names = maps.map(({ mapName }) => mapName);
  for (const name of names) {
    if (typeof name !== 'string' || name === '' || !name.isWellFormed()) {
      throw new TypeError('a mapName must be a well-formed string that is not empty');
    }
  }
  if (new Set(names).size < names.length) throw new TypeError('each of the maps must have a name of its own');
  if ('bean' in (maps[0] as object))
    throw new TypeError('the first of the maps holds the sessions: it has no bean');
  return names;
}
