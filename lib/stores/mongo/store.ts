import type { Deadline } from '../../contract/deadline.js';
import { checkNoOthers } from '../../contract/options.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../../contract/record.js';
import { SessionStore, type SessionStoreOperation } from '../../contract/store.js';
import { ServerClock, type Window } from '../shared/clock.js';
import { MongoConnection, type MongoConnectionOptions, type Send } from './connection.js';
import { documentOf, recordOf, type SessionDocument } from './document.js';
import { failed, mayBeOfOne } from './errors.js';
import { checkCollation, makeIndexes } from './indexes.js';
import { operators } from './operators.js';
import { MongoReads } from './reads.js';
import { LIVE, TOO_LATE, changing, creation, rotation, within } from './pipelines.js';

/** Where sessions are kept, and how long a call may take. */
export interface MongoStoreOptions extends MongoConnectionOptions {
  /**
   * The collection; `sessions` by default. Stores of one collection share their sessions. It is for them alone: an index
   * removes whatever has a date of the past in `expiresAt`, and counting all counts whatever has one to come.
   */
  collection?: string | undefined;
  /** How long a call waits for the server, in milliseconds; 2 000 by default. */
  timeout?: number | undefined;
}

/** How many sessions one step of clearing takes, so that each ends well within its deadline. */
const CLEARED_A_STEP = 500;

/**
 * What is read is what the primary has. `majority` would be older than that: a primary that was just elected could show
 * a session whose end was acknowledged. (`linearizable` takes a write per read.)
 */
const READ = { readConcern: { level: 'local' } };

/** What is acknowledged outlives the primary and a crash: by default `majority` means on disk, but a set may say not. */
const WRITE = { writeConcern: { w: 'majority', j: true } };

/** The fields of a document, and whether it lives; a filter would keep MongoDB off its quickest plan. */
const WHOLE = { secretHash: 1, previous: 1, data: 1, groups: 1, createdAt: 1, expiresAt: 1, live: LIVE };

/** What a write answers of the session. */
const STATE = { _id: 0, secretHash: 1, expiresAt: 1 };

interface Written {
  secretHash: string;
  expiresAt: Date;
  /** If it was asked for. */
  live?: boolean;
}

/**
 * Sessions in MongoDB (5.0 or newer), on a replica set or a server that stands alone. One document per session, and
 * each write to one is one command, which acts whole, or not at all once its caller has given up.
 */
export class MongoStore extends SessionStore {
  private readonly connection: MongoConnection;
  private readonly collection: string;
  private readonly clock = new ServerClock();
  private readonly reads = new MongoReads((ids) => this.readAll(ids), mayBeOfOne);

  constructor(options: MongoStoreOptions = {}) {
    const { collection = 'sessions', timeout, connection, uri, options: driver, ...others } = options;
    super('mongo', timeout);
    checkNoOthers('MongoStore', others, 'connection, uri, options, collection, timeout');
    checkCollection(collection);
    this.collection = collection;
    this.connection = new MongoConnection({ connection, uri, options: driver }, this.timeout);
  }

  /** By the clock of the primary. */
  override now(): number {
    return this.clock.now();
  }

  protected override get advice(): string {
    return 'Is the primary reachable, not blocked by slow queries, and in touch with a majority of its replica set?';
  }

  protected override async connect(): Promise<void> {
    try {
      await this.within('open', () => this.connection.open());
      const asked = performance.now();
      const hello = await this.inTime('open', (send) => send({ hello: 1 }));
      this.clock.learn(asked, (hello['localTime'] as Date).getTime());
      this.connection.checkServer(hello);
      const setUp = { connection: this.connection, collection: this.collection, send: this.openingSend };
      await checkCollation(setUp);
      await makeIndexes(setUp, this.timeout);
    } catch (error) {
      await this.connection.close();
      throw error;
    }
  }

  protected override disconnect(): Promise<void> {
    return this.connection.close();
  }

  protected override async doCreate(record: SessionRecord, deadline: Deadline): Promise<boolean> {
    const document = documentOf(record);
    const created = await this.write('create', deadline, timeOf, async (send, window) => {
      const put = await this.findAndModify(send, {
        query: { _id: record.id },
        update: creation(document, window),
        upsert: true,
        fields: STATE,
      });
      const isTooLate = Number(put?.expiresAt) === TOO_LATE.getTime();
      return isTooLate && record.expiresAt > TOO_LATE.getTime() ? undefined : put;
    });
    return created?.secretHash === record.secretHash;
  }

  protected override doRead(id: string): Promise<SessionRecord | undefined> {
    return this.reads.read(id);
  }

  protected override async doUpdate(
    { id }: SessionRef,
    change: SessionChange,
    deadline: Deadline,
  ): Promise<SessionUpdate | undefined> {
    const quick = operators(change);
    const timeIfRefused = this.timeIf({ _id: id, $expr: LIVE });
    const updated = await this.write('update', deadline, timeIfRefused, async (send, window) => {
      const query = { _id: id, ...liveIn(window) };
      const fields = mayEnd(change, window) ? { ...STATE, live: LIVE } : STATE;
      // A condition on anything but the id would have MongoDB try other indexes, too.
      const rest = { fields, hint: { _id: 1 } };
      const done =
        quick &&
        (await this.findAndModify(send, {
          query: { ...query, ...quick.query },
          update: quick.update,
          ...rest,
        }));
      if (done || (quick && !change.touch)) return done;
      return this.findAndModify(send, { query, update: changing(change), ...rest });
    });
    return updated && updated.live !== false
      ? { expiresAt: Number(updated.expiresAt), secretHash: updated.secretHash }
      : undefined;
  }

  protected override async doRotate(
    { id }: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): Promise<string | undefined> {
    const update = rotation(presented, secretHash, grace);
    const timeIfRefused = this.timeIf({ _id: id, $expr: LIVE });
    const rotated = await this.write('rotate', deadline, timeIfRefused, (send, window) =>
      this.findAndModify(send, {
        query: { _id: id, ...liveIn(window) },
        update,
        fields: STATE,
        hint: { _id: 1 },
      }),
    );
    return rotated?.secretHash;
  }

  protected override async doDestroy(id: string, deadline: Deadline): Promise<boolean> {
    // What has expired by this server's clock goes, too: it might live by the clock of the next primary.
    const destroyed = await this.write('destroy', deadline, this.timeIf({ _id: id }), (send, window) =>
      this.findAndModify(send, {
        query: { _id: id, $expr: within(window) },
        remove: true,
        fields: { ...STATE, live: LIVE },
        hint: { _id: 1 },
      }),
    );
    return destroyed?.live === true;
  }

  protected override async doPage(options: SessionPageOptions, deadline: Deadline): Promise<SessionPage> {
    const { group, limit } = options;
    const after = options.after === undefined ? undefined : idIn(options.after);
    return this.connection.call('page', deadline, async (send) => {
      const filter = { ...between({ group, after }), $expr: LIVE };
      const { found, isCut } = await this.findSome(send, { filter, sort: { _id: 1 }, limit });
      const records = found.map(recordOf);
      const next = records.length === limit || isCut ? records.at(-1)?.id : undefined;
      return next === undefined ? { records } : { records, next: NEXT + next };
    });
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return this.inTime('count', async (send) => {
      // With the time as a value MongoDB counts along the index on `expiresAt` and reads no session.
      const match =
        group === undefined
          ? { expiresAt: { $gt: await timeOf(send) } }
          : { ...between({ group }), $expr: LIVE };
      const { cursor } = (await send({
        aggregate: this.collection,
        pipeline: [{ $match: match }, { $count: 'count' }],
        cursor: {},
        ...READ,
      })) as { cursor: { firstBatch: { count: number }[] } };
      return cursor.firstBatch[0]?.count ?? 0;
    });
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    // Whoever joins behind the last id is not waited for, or ids that grow would keep this going for ever.
    const [last] = await this.ids({ group }, { sort: -1, limit: 1 });
    if (last === undefined) return this.end(group, []);
    let sum = 0;
    let after: string | undefined;
    do {
      const met = await this.ids({ group, after, last }, { sort: 1, limit: CLEARED_A_STEP });
      sum += await this.end(
        group,
        met.filter((id) => !except.has(id)),
      );
      after = met.length < CLEARED_A_STEP ? undefined : met.at(-1);
    } while (after !== undefined);
    return sum;
  }

  protected override failure(operation: SessionStoreOperation, error: unknown): Error {
    return failed(operation, error);
  }

  /** Sends commands under one deadline of their own. */
  private async inTime<T>(operation: SessionStoreOperation, work: (send: Send) => Promise<T>): Promise<T> {
    return this.within(operation, (deadline) => this.connection.call(operation, deadline, work));
  }

  private readonly openingSend: Send = (command) => this.inTime('open', (send) => send(command));

  private readAll(ids: string[]): Promise<Map<string, SessionRecord>> {
    return this.inTime('read', async (send) => {
      const records = new Map<string, SessionRecord>();
      const read = async (some: string[]): Promise<void> => {
        // By `$in`, one id would not go by MongoDB's quickest plan.
        const filter = { _id: some.length === 1 ? some[0] : { $in: some } };
        const query = { filter, projection: WHOLE, limit: some.length };
        const { found, isCut } = await this.findSome<SessionDocument & { live: boolean }>(send, query);
        for (const document of found) {
          const record = recordOf(document);
          if (document.live) records.set(record.id, record);
        }
        if (!isCut) return;
        const met = new Set(found.map(({ _id }) => _id));
        await read(some.filter((id) => !met.has(id)));
      };
      await read(ids);
      return records;
    });
  }

  /**
   * Ends those of some sessions that are in the group, if one is given, and resolves to how many of them lived. Of no
   * sessions, too, it asks the server: another call may have ended those that were not met, and that is only for good
   * when the majority knows.
   */
  private async end(group: string | undefined, ids: string[]): Promise<number> {
    // Another session may have taken the id of a member that has expired since it was met.
    const filter = { ...between({ group }), _id: { $in: ids } };
    let sum = 0;
    await this.within('clear', (deadline) =>
      this.write('clear', deadline, this.timeIf(filter), async (send, window) => {
        const ended = await this.delete(send, { ...filter, ...liveIn(window) });
        sum += ended;
        if (ended === ids.length) return true;
        // What has expired by this server's clock goes, too: it might live by the clock of the next primary.
        await this.delete(send, { ...filter, $expr: { $and: [{ $not: [LIVE] }, within(window)] } });
        return undefined;
      }),
    );
    return sum;
  }

  /** Some ids, in their order, of sessions that may have expired. */
  private async ids(range: Range, { sort, limit }: { sort: 1 | -1; limit: number }): Promise<string[]> {
    const query = { filter: between(range), projection: { _id: 1 }, sort: { _id: sort }, limit };
    const found = await this.inTime('clear', (send) => this.findAll<{ _id: string }>(send, query));
    return found.map(({ _id }) => _id);
  }

  /** Finds up to `limit`, and says whether there were more of them than go into one answer. */
  private async findSome<T = SessionDocument>(
    send: Send,
    query: { limit: number; [part: string]: unknown },
  ): Promise<{ found: T[]; isCut: boolean }> {
    const { cursor } = (await send({
      find: this.collection,
      ...query,
      // The cursor stays open only when not all of them go into one answer.
      batchSize: query.limit + 1,
      ...READ,
    })) as { cursor: { id: unknown; firstBatch: T[] } };
    const isCut = Number(cursor.id) !== 0;
    if (isCut) await send({ killCursors: this.collection, cursors: [cursor.id] });
    return { found: cursor.firstBatch, isCut };
  }

  /** Finds what surely goes into one response. */
  private async findAll<T>(send: Send, query: Record<string, unknown>): Promise<T[]> {
    const { limit } = query as { limit: number };
    const answer = await send({
      find: this.collection,
      ...query,
      batchSize: limit,
      singleBatch: true,
      ...READ,
    });
    return (answer as { cursor: { firstBatch: T[] } }).cursor.firstBatch;
  }

  /** Changes a session, or removes it; `undefined` when none matched. */
  private async findAndModify(send: Send, command: Record<string, unknown>): Promise<Written | undefined> {
    const { value } = await send({
      findAndModify: this.collection,
      new: !command['remove'],
      ...command,
      ...WRITE,
    });
    return (value as Written | null) ?? undefined;
  }

  /** Removes sessions, and resolves to how many when the majority knows of all that was removed before, too. */
  private async delete(send: Send, q: Record<string, unknown>): Promise<number> {
    const { n } = await send({ delete: this.collection, deletes: [{ q, limit: 0 }], ...WRITE });
    return Number(n);
  }

  /**
   * Does a write that acts within the window it is given or never; `undefined` when `timeIfRefused` says that it was
   * not the window that kept it from acting. A server takes up what had reached it before it was frozen, however late,
   * so the window is a condition of each write. Whoever was refused, because another server's clock was learned from,
   * learns and tries again.
   */
  private write<T>(
    operation: SessionStoreOperation,
    deadline: Deadline,
    timeIfRefused: (send: Send) => Promise<Date | undefined>,
    attempt: (send: Send, window: Window) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    return this.connection.call(operation, deadline, async (send) => {
      for (;;) {
        const done = await attempt(send, this.clock.window(deadline));
        if (done !== undefined) return done;
        const asked = performance.now();
        const now = await timeIfRefused(send);
        if (now === undefined) return undefined;
        this.clock.learn(asked, now.getTime());
      }
    });
  }

  /** The server's time, or nothing when no document matches `filter`. */
  private timeIf(filter: Record<string, unknown>): (send: Send) => Promise<Date | undefined> {
    return async (send) => {
      const [met] = await this.findAll<{ now: Date }>(send, {
        filter,
        projection: { _id: 0, now: '$$NOW' },
        limit: 1,
      });
      return met?.now;
    };
  }
}

/** What stands before the id in the `next` of a page, so that nothing else passes for one. */
const NEXT = 'after:';

/** The id that `page` gave out in `next`. */
function idIn(after: string): string {
  if (!after.startsWith(NEXT)) throw new TypeError('after must be the `next` of an earlier page');
  return after.slice(NEXT.length);
}

/** Sessions of a group, or all, behind an id and up to another. */
interface Range {
  group?: string | undefined;
  after?: string | undefined;
  last?: string | undefined;
}

function between({ group, after, last }: Range): Record<string, unknown> {
  // A bound, or what is not ours would count: of other types than text are the `_id`s of others.
  const from = after === undefined ? { $gte: '' } : { $gt: after };
  return {
    ...(group !== undefined && { groups: group }),
    _id: { ...from, ...(last !== undefined && { $lte: last }) },
  };
}

function liveIn(window: Window): Record<string, unknown> {
  return { $expr: { $and: [LIVE, within(window)] } };
}

/** Whether a session may be over after a change that was done within a window: if not, it is live. */
function mayEnd({ expiresAt, touch }: SessionChange, { to }: Window): boolean {
  return (expiresAt ?? touch?.to ?? Infinity) <= to;
}

async function timeOf(send: Send): Promise<Date> {
  const { localTime } = await send({ hello: 1 });
  return localTime as Date;
}

function checkCollection(collection: unknown): void {
  if (typeof collection !== 'string' || !/^(?!system\.)[^$\0]+$/.test(collection)) {
    throw new TypeError(
      'collection must be a name that MongoDB allows: not empty, without `$`, not of `system.`',
    );
  }
}
