import type { Deadline } from '../../contract/deadline.js';
import { notNext } from '../../contract/checks.js';
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
import { EXAMINE, type Finding } from '../../contract/examination.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type { SessionStoreCapabilities, SessionStoreOperation } from '../../contract/capabilities.js';
import { SessionStore } from '../../contract/store.js';
import { ServerClock } from '../shared/clock.js';
import { SessionWriteQueue } from '../shared/write-queue.js';
import { Calls, timeOf } from './calls.js';
import { Changes, mayEnd } from './changes.js';
import { Clearing } from './clearing.js';
import { MongoConnection, type MongoConnectionOptions, type Send } from './connection.js';
import { checkCollection, codeOf } from './collection.js';
import { Commands } from './commands.js';
import { Creating } from './creating.js';
import { MARK } from './document.js';
import { examineMongo } from './examination.js';
import { failed, mayBeOfOne } from './errors.js';
import { feedOf, openFeed } from './feed.js';
import { between } from './filters.js';
import { BY_GROUP, BY_ID, makeIndexes } from './indexes.js';
import { Pages } from './pages.js';
import { LIVE, within } from './pipelines.js';
import { Reads } from './reads.js';
import { ENDED, ENDING, OURS, REGENERATING } from './tombstones.js';

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
  readonly #options: MongoConnectionOptions;
  readonly #connection: MongoConnection;
  private readonly collection: string;
  private readonly commands: Commands;
  private readonly clock = new ServerClock();
  private readonly calls: Calls;
  private readonly changes: Changes;
  private readonly clearing: Clearing;
  private readonly creating: Creating;
  private readonly pages: Pages;
  private readonly reads: Reads;
  private feed: true | string = true;
  private readonly writes = new SessionWriteQueue({
    send: (turn) => this.changes.send(turn),
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
    this.#options = { connection, uri, options: driver };
    this.#connection = new MongoConnection(this.#options, this.timeout);
    this.calls = new Calls(this.#connection, this.commands, this.clock, (operation, work) =>
      this.within(operation, work),
    );
    this.reads = new Reads(this.calls, this.commands);
    this.creating = new Creating(this.calls, this.commands);
    this.changes = new Changes(this.calls, this.commands);
    this.clearing = new Clearing(this.calls, this.commands);
    this.pages = new Pages(this.commands);
  }

  /** Whether there is a feed is known once the store is open. */
  override get capabilities(): SessionStoreCapabilities {
    return { ...super.capabilities, feed: this.feed };
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
    const hello = await this.calls.inTime('open', (send) => send({ hello: 1 }));
    this.clock.learn(sentAt, (hello['localTime'] as Date).getTime());
    this.#connection.checkServer(hello);
    this.feed = feedOf(hello);
    const setUp = { connection: this.#connection, collection: this.collection, send: this.openingSend };
    await checkCollection(setUp);
    await makeIndexes(setUp, this.timeout);
  }

  protected override disconnect(): Promise<void> {
    return this.#connection.close();
  }

  protected override doCreate(record: SessionRecord, deadline: Deadline): Promise<boolean> {
    return this.creating.create(record, deadline);
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

  protected override async doDestroy(id: string, deadline: Deadline): Promise<boolean> {
    const filter = { ...MARK, _id: id };
    // A session that has expired by this server's clock is ended too: it might be live by that of the next primary.
    const ended = await this.calls.write('destroy', deadline, this.calls.timeIf(filter), (send, window) =>
      this.commands.findAndModify<{ live: boolean }>(send, {
        query: { ...filter, $expr: within(window) },
        update: ENDING,
        new: false,
        fields: { _id: 0, live: LIVE },
        hint: { _id: 1 },
      }),
    );
    return ended?.live === true;
  }

  protected override async doRegenerate(id: string, deadline: Deadline): Promise<boolean> {
    const filter = { ...OURS, _id: id };
    const met = await this.calls.write('regenerate', deadline, this.calls.timeIf(filter), (send, window) =>
      this.commands.findAndModify<{ nestjsSession: number }>(send, {
        query: { ...filter, $expr: within(window) },
        update: REGENERATING,
        new: false,
        fields: { _id: 0, nestjsSession: 1 },
        hint: { _id: 1 },
      }),
    );
    return met?.nestjsSession !== ENDED.nestjsSession;
  }

  protected override doHaveEnded(ids: string[], deadline: Deadline): Promise<boolean> {
    return this.#connection.call('haveEnded', deadline, async (send) => {
      const query = { filter: { ...ENDED, _id: { $in: ids } }, projection: { _id: 1 }, limit: 1 };
      return (await this.commands.findAll(send, query)).length > 0;
    });
  }

  protected override doPage(options: SessionPageOptions, deadline: Deadline): Promise<SessionPage> {
    const { group, limit } = options;
    const after = options.after === undefined ? undefined : idIn(options.after);
    return this.#connection.call('page', deadline, async (send) => {
      const { records, isLast } = await this.pages.read(send, { group, after }, limit);
      const last = records.at(-1);
      return isLast || !last ? { records } : { records, next: NEXT + last.id };
    });
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return this.calls.inTime('count', async (send) => {
      if (group !== undefined) return this.countOn(BY_GROUP, send, { ...between({ group }), $expr: LIVE });
      // With a constant for the time MongoDB counts on an index and reads no session.
      return this.countOn(BY_ID, send, { ...MARK, expiresAt: { $gt: await timeOf(send) } });
    });
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    return this.clearing.clear(group, except);
  }

  protected override doWatch(sink: SessionFeedSink, deadline: Deadline): Promise<SessionFeedSource> {
    return openFeed({ connection: this.#connection, commands: this.commands }, sink, deadline);
  }

  override [EXAMINE](): AsyncIterable<Finding> {
    return examineMongo({
      options: this.#options,
      collection: this.collection,
      timeout: this.timeout,
      within: async (operation, work) => this.within(operation, work),
    });
  }

  protected override failure(operation: SessionStoreOperation, error: unknown): Error {
    return failed(operation, error, this.#connection.address);
  }

  private readonly openingSend: Send = (command) => this.calls.inTime('open', (send) => send(command));

  /** Counts on an index. Without the hint MongoDB may take another one, and then read sessions that do not match. */
  private async countOn(index: string, send: Send, match: object): Promise<number> {
    return this.commands.count(send, match, { hint: index }).catch((error: unknown) => {
      // The index is still being created.
      if (codeOf(error) === 'BadValue') return this.commands.count(send, match);
      throw error;
    });
  }
}

/** The start of the `next` of a page, before the id, so that no other string is accepted. */
const NEXT = 'after:';

/** The id in the `next` of a page. */
function idIn(after: string): string {
  if (!after.startsWith(NEXT)) throw notNext();
  return after.slice(NEXT.length);
}

function checkName(collection: unknown): void {
  if (typeof collection !== 'string' || !/^(?!system\.)[^$\0]+$/.test(collection)) {
    throw new TypeError(
      'collection must be a name that MongoDB allows: write one that is not empty, has no `$`, and does not start with `system.`',
    );
  }
}
