import type { Deadline } from '../../contract/deadline.js';
import { checkNoOthers, checkOptionsObject } from '../../contract/option-checks.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../../contract/record.js';
import { isStoreError } from '../../contract/errors.js';
import { SessionStore, type SessionStoreOperation } from '../../contract/store.js';
import { ServerClock, type Window } from '../shared/clock.js';
import { SessionWriteQueue, type SessionWriteTurn } from '../shared/write-queue.js';
import { applyWrites, type SessionRotation, type SessionWriteResult } from '../shared/writes.js';
import { MongoConnection, type MongoConnectionOptions, type Send } from './connection.js';
import { checkCollection, codeOf } from './collection.js';
import { Commands } from './commands.js';
import { MARK, documentOf, recordOf, type SessionDocument } from './document.js';
import { failed, isIdInUse, mayBeOfOne } from './errors.js';
import { between, liveIn, type Range } from './filters.js';
import { BY_ID, makeIndexes } from './indexes.js';
import { operators } from './operators.js';
import { MongoReads } from './reads.js';
import { merged } from './merged.js';
import { IS_SESSION, LIVE, TOO_LATE, changing, creation, rotating, within } from './pipelines.js';

/** The options of a `MongoStore`. */
export interface MongoStoreOptions extends MongoConnectionOptions {
  /**
   * The collection; default `'sessions'`. Stores with the same collection share their sessions. Documents of other
   * programs in it are left alone.
   */
  collection?: string | undefined;
  /** How long a call waits for the server, in milliseconds; default 2 000. */
  timeout?: number | undefined;
}

/**
 * How many writes of one session run in parallel. They wait for the journal together: one after the other, two took 9 ms
 * instead of 5. More of them make the server repeat what conflicts.
 */
const AT_ONCE = 4;

/** How many sessions one step of clearing takes, so that each step ends well within its deadline. */
const CLEARED_A_STEP = 500;

/**
 * The fields of a document, and whether it is a live session. As a filter, that would keep MongoDB from its fastest
 * plan, and cost a third more of the server's time per read.
 */
const WHOLE = {
  secretHash: 1,
  previous: 1,
  data: 1,
  groups: 1,
  createdAt: 1,
  expiresAt: 1,
  live: { $and: [IS_SESSION, LIVE] },
};

/** The fields that a write returns. */
const STATE = { _id: 0, secretHash: 1, expiresAt: 1 };

/** What the results of merged writes follow from: the state before them, and the time at which they were applied. */
const BEFORE = { secretHash: 1, previous: 1, expiresAt: 1, now: '$$NOW' };

interface Written {
  secretHash: string;
  expiresAt: Date;
  /** Absent if the write did not select it. */
  live?: boolean;
}

/** What to write instead of the options of other packages. */
const ADVICE = {
  url: 'Write uri',
  mongoUrl: 'Write uri',
  client: 'Write connection, with a connection of mongoose, or uri',
  dbName: 'Write options: { dbName }, beside uri',
  collectionName: 'Write collection',
};

/**
 * Sessions in MongoDB (5.0 or newer): a replica set or a standalone server. There is one document per session. Each
 * write to one is one command. It acts as a whole, and not at all after its deadline.
 */
export class MongoStore extends SessionStore {
  readonly #connection: MongoConnection;
  private readonly collection: string;
  private readonly commands: Commands;
  private readonly clock = new ServerClock();
  private readonly reads = new MongoReads((ids) => this.readAll(ids), mayBeOfOne);
  private readonly writes = new SessionWriteQueue({
    send: (turn) => this.writeAll(turn),
    // What the store itself throws, it throws before it writes.
    mayBeOfOne: (error) => isStoreError(error) || mayBeOfOne(error),
    isLast: (write) => 'change' in write && mayEnd(write.change, { to: this.now() + 2 * this.timeout }),
    atOnce: AT_ONCE,
  });

  constructor(options: MongoStoreOptions = {}) {
    checkOptionsObject('MongoStore', options, 'new MongoStore({ uri })');
    const { collection = 'sessions', timeout, connection, uri, options: driver, ...others } = options;
    super('mongo', timeout);
    checkNoOthers('MongoStore', others, 'connection, uri, options, collection, timeout', ADVICE);
    checkName(collection);
    this.collection = collection;
    this.commands = new Commands(collection);
    this.#connection = new MongoConnection({ connection, uri, options: driver }, this.timeout);
  }

  /** The time of the primary. */
  override now(): number {
    return this.clock.now();
  }

  protected override get advice(): string {
    return 'Is the primary reachable, not blocked by slow queries, and in touch with a majority of its replica set?';
  }

  protected override async connect(): Promise<void> {
    await this.within('open', (deadline) => {
      deadline.advice = `Is MongoDB running at ${this.#connection.address}, and does its replica set have a majority?`;
      return this.#connection.open();
    });
    const sentAt = performance.now();
    const hello = await this.inTime('open', (send) => send({ hello: 1 }));
    this.clock.learn(sentAt, (hello['localTime'] as Date).getTime());
    this.#connection.checkServer(hello);
    const setUp = { connection: this.#connection, collection: this.collection, send: this.openingSend };
    await checkCollection(setUp);
    await makeIndexes(setUp, this.timeout);
  }

  protected override disconnect(): Promise<void> {
    return this.#connection.close();
  }

  protected override async doCreate(record: SessionRecord, deadline: Deadline): Promise<boolean> {
    const document = documentOf(record);
    const created = await this.write('create', deadline, timeOf, async (send, window) => {
      const put = await this.put(send, document, window);
      if (!put) return false;
      const isTooLate = Number(put.expiresAt) === TOO_LATE.getTime();
      if (isTooLate && record.expiresAt > TOO_LATE.getTime()) return undefined;
      return put.secretHash === record.secretHash;
    });
    return created === true;
  }

  protected override doRead(id: string): Promise<SessionRecord | undefined> {
    return this.reads.read(id);
  }

  protected override doUpdate(
    ref: SessionRef,
    change: SessionChange,
    deadline: Deadline,
  ): Promise<SessionUpdate | undefined> {
    return this.writes.update(ref, change, deadline);
  }

  protected override doRotate(
    ref: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): Promise<string | undefined> {
    return this.writes.rotate(ref, presented, secretHash, grace, deadline);
  }

  private async change(id: string, change: SessionChange, deadline: Deadline): Promise<SessionWriteResult> {
    const quick = operators(change);
    const timeIfMissed = this.timeIf({ _id: id, $expr: LIVE });
    const updated = await this.write('update', deadline, timeIfMissed, async (send, window) => {
      const query = { _id: id, ...liveIn(window) };
      const fields = mayEnd(change, window) ? { ...STATE, live: LIVE } : STATE;
      // Without the hint MongoDB would also try other indexes, because of the conditions on other fields.
      const rest = { fields, hint: { _id: 1 } };
      const done =
        quick &&
        (await this.commands.findAndModify<Written>(send, {
          query: { ...query, ...quick.query },
          update: quick.update,
          ...rest,
        }));
      if (done || (quick && !change.touch)) return done;
      return this.commands.findAndModify<Written>(send, { query, update: changing(change), ...rest });
    });
    return updated && updated.live !== false ? resultOf(updated) : undefined;
  }

  private async rotation(
    id: string,
    { presented, secretHash, grace }: SessionRotation,
    deadline: Deadline,
  ): Promise<SessionWriteResult> {
    const update = rotating(presented, secretHash, grace);
    const timeIfMissed = this.timeIf({ _id: id, $expr: LIVE });
    const rotated = await this.write('rotate', deadline, timeIfMissed, (send, window) =>
      this.commands.findAndModify<Written>(send, {
        query: { _id: id, ...liveIn(window) },
        update,
        fields: STATE,
        hint: { _id: 1 },
      }),
    );
    return rotated && resultOf(rotated);
  }

  /** Sends writes of one session, several of them as one command. */
  private async writeAll({
    id,
    calls,
    operation,
    deadline,
  }: SessionWriteTurn): Promise<SessionWriteResult[]> {
    const writes = calls.map(({ write }) => write);
    const [write] = writes;
    if (writes.length === 1 && write) {
      return [
        'change' in write
          ? await this.change(id, write.change, deadline)
          : await this.rotation(id, write.rotation, deadline),
      ];
    }
    const update = merged(writes);
    const timeIfMissed = this.timeIf({ _id: id, $expr: LIVE });
    const before = await this.write(operation, deadline, timeIfMissed, (send, window) =>
      this.commands.findAndModify<SessionDocument & { now: Date }>(send, {
        query: { _id: id, ...liveIn(window) },
        update,
        new: false,
        fields: BEFORE,
        hint: { _id: 1 },
      }),
    );
    if (!before) return writes.map(() => undefined);
    return applyWrites(recordOf(before), writes, Number(before.now)).results;
  }

  protected override async doDestroy(id: string, deadline: Deadline): Promise<boolean> {
    // A session that has expired by this server's clock is removed too: it might be live by that of the next primary.
    const destroyed = await this.write('destroy', deadline, this.timeIf({ _id: id }), (send, window) =>
      this.commands.findAndModify<Written>(send, {
        query: { ...MARK, _id: id, $expr: within(window) },
        remove: true,
        fields: { ...STATE, live: LIVE },
        hint: { _id: 1 },
      }),
    );
    return destroyed?.live === true;
  }

  protected override doRegenerate(): Promise<boolean> {
    throw new Error('not there yet');
  }

  protected override doHaveEnded(): Promise<boolean> {
    throw new Error('not there yet');
  }

  protected override async doPage(options: SessionPageOptions, deadline: Deadline): Promise<SessionPage> {
    const { group, limit } = options;
    const after = options.after === undefined ? undefined : idIn(options.after);
    return this.#connection.call('page', deadline, async (send) => {
      const filter = { ...between({ group, after }), $expr: LIVE };
      const { found, isCut } = await this.commands.findSome<SessionDocument>(send, {
        filter,
        sort: { _id: 1 },
        limit,
      });
      const records = found.map(recordOf);
      const next = records.length === limit || isCut ? records.at(-1)?.id : undefined;
      return next === undefined ? { records } : { records, next: NEXT + next };
    });
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return this.inTime('count', async (send) => {
      if (group !== undefined) return this.commands.count(send, { ...between({ group }), $expr: LIVE });
      // With a constant for the time MongoDB counts on an index and reads no session.
      const match = { ...MARK, expiresAt: { $gt: await timeOf(send) } };
      // Without the hint MongoDB might count on the index on `expiresAt`.
      return this.commands.count(send, match, { hint: BY_ID }).catch((error: unknown) => {
        // The index is still being created.
        if (codeOf(error) === 'BadValue') return this.commands.count(send, match);
        throw error;
      });
    });
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    // Sessions that join after the last id are not waited for, or growing ids would keep this going forever.
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
    return failed(operation, error, this.#connection.address);
  }

  /** Sends commands under one deadline of their own. */
  private async inTime<T>(operation: SessionStoreOperation, work: (send: Send) => Promise<T>): Promise<T> {
    return this.within(operation, (deadline) => this.#connection.call(operation, deadline, work));
  }

  private readonly openingSend: Send = (command) => this.inTime('open', (send) => send(command));

  private readAll(ids: string[]): Promise<Map<string, SessionRecord>> {
    return this.inTime('read', async (send) => {
      const records = new Map<string, SessionRecord>();
      const read = async (some: string[]): Promise<void> => {
        // With `$in`, a single id would not use MongoDB's fastest plan.
        const filter = { _id: some.length === 1 ? some[0] : { $in: some } };
        const query = { filter, projection: WHOLE, limit: some.length };
        const { found, isCut } = await this.commands.findSome<SessionDocument & { live: boolean }>(
          send,
          query,
        );
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
   * Destroys those sessions that are in the group, if there is one. Resolves to how many were live. It sends a command
   * even without ids: another call may have destroyed the sessions that were not found, and that is only final when the
   * majority has acknowledged it.
   */
  private async end(group: string | undefined, ids: string[]): Promise<number> {
    // A new session may have taken the id of a member that has expired since it was found.
    const filter = { ...between({ group }), _id: { $in: ids } };
    let sum = 0;
    await this.within('clear', (deadline) =>
      this.write('clear', deadline, this.timeIf(filter), async (send, window) => {
        const ended = await this.commands.delete(send, { ...filter, ...liveIn(window) });
        sum += ended;
        if (ended === ids.length) return true;
        // Sessions that have expired by this server's clock are removed too: they might be live by that of the next
        // primary.
        await this.commands.delete(send, { ...filter, $expr: { $and: [{ $not: [LIVE] }, within(window)] } });
        return undefined;
      }),
    );
    return sum;
  }

  /**
   * Writes a document if there is none with its id, or only an expired session. Resolves to the session that has the id
   * then; `undefined` if a document of another program has it.
   */
  private async put(send: Send, document: SessionDocument, window: Window): Promise<Written | undefined> {
    const { _id } = document;
    for (;;) {
      try {
        const query = { ...MARK, _id };
        return await this.commands.findAndModify<Written>(send, {
          query,
          update: creation(document, window),
          upsert: true,
          fields: STATE,
        });
      } catch (error) {
        if (!isIdInUse(error)) throw error;
      }
      const [met] = await this.commands.findAll<{ isSession: boolean }>(send, {
        filter: { _id },
        projection: { _id: 0, isSession: IS_SESSION },
        limit: 1,
      });
      if (met?.isSession === false) return undefined;
      // Another call has created the session at the same time: the next attempt finds it.
    }
  }

  /** Some ids in order. Includes those of expired sessions. */
  private async ids(range: Range, { sort, limit }: { sort: 1 | -1; limit: number }): Promise<string[]> {
    const query = { filter: between(range), projection: { _id: 1 }, sort: { _id: sort }, limit };
    const found = await this.inTime('clear', (send) => this.commands.findAll<{ _id: string }>(send, query));
    return found.map(({ _id }) => _id);
  }

  /**
   * Performs a write that acts only within its window. A server that was frozen executes the commands that had reached
   * it, however late, so the window is a condition of each write. `timeIfMissed` resolves to the server's time if the
   * window may have kept the write from acting, because the clock of another server was learned: then it learns the
   * time and tries again. Otherwise it resolves to `undefined`, and so does this.
   */
  private write<T>(
    operation: SessionStoreOperation,
    deadline: Deadline,
    timeIfMissed: (send: Send) => Promise<Date | undefined>,
    attempt: (send: Send, window: Window) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    return this.#connection.call(operation, deadline, async (send) => {
      for (;;) {
        const done = await attempt(send, this.clock.window(deadline));
        if (done !== undefined) return done;
        const sentAt = performance.now();
        const now = await timeIfMissed(send);
        if (now === undefined) return undefined;
        this.clock.learn(sentAt, now.getTime());
      }
    });
  }

  /** Reads the server's time; `undefined` if no document matches `filter`. */
  private timeIf(filter: Record<string, unknown>): (send: Send) => Promise<Date | undefined> {
    return async (send) => {
      const [met] = await this.commands.findAll<{ now: Date }>(send, {
        filter: { ...MARK, ...filter },
        projection: { _id: 0, now: '$$NOW' },
        limit: 1,
      });
      return met?.now;
    };
  }
}

/** The start of the `next` of a page, before the id, so that no other string is accepted. */
const NEXT = 'after:';

/** The id in the `next` of a page. */
function idIn(after: string): string {
  if (!after.startsWith(NEXT)) throw new TypeError('after must be the `next` of an earlier page');
  return after.slice(NEXT.length);
}

/** Whether a session may have expired after a change within a window. If not, it is live. */
function mayEnd({ expiresAt, touch }: SessionChange, { to }: Pick<Window, 'to'>): boolean {
  return (expiresAt ?? touch?.to ?? Infinity) <= to;
}

function resultOf({ expiresAt, secretHash }: Written): SessionUpdate {
  return { expiresAt: Number(expiresAt), secretHash };
}

async function timeOf(send: Send): Promise<Date> {
  const { localTime } = await send({ hello: 1 });
  return localTime as Date;
}

function checkName(collection: unknown): void {
  if (typeof collection !== 'string' || !/^(?!system\.)[^$\0]+$/.test(collection)) {
    throw new TypeError(
      'collection must be a name that MongoDB allows: write one that is not empty, has no `$`, and does not start with `system.`',
    );
  }
}
