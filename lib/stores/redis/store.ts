import type { Deadline } from '../../contract/deadline.js';
import { SessionStoreError, isStoreError, tooLarge } from '../../contract/errors.js';
import { EXAMINE, type Finding } from '../../contract/examination.js';
import { checkNoOthers, checkOptionsObject, checkPrefix } from '../../contract/option-checks.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../../contract/record.js';
import type { SessionGroupLimit, SessionLimitedJoin } from '../../contract/limit.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type { SessionStoreCapabilities, SessionStoreOperation } from '../../contract/capabilities.js';
import { probeId } from '../../contract/probe.js';
import { SessionStore } from '../../contract/store.js';
import type { RedisConnectionOptions } from './address.js';
import { Changes } from './changes.js';
import { RedisConnection, SILENT } from './connection.js';
import { Clearing } from './clear.js';
import { Counting } from './count.js';
import { examineRedis } from './examination.js';
import { RedisFeed } from './feed.js';
import { JOIN_LIMITED } from './join.script.js';
import { Layout, fieldsOf, idsInShards, noKey, recordOf, sessionKey } from './layout.js';
import { Pages } from './pages.js';
import { probeServers } from './probe.js';
import { ScriptRunner } from './runner.js';
import { CREATE, DESTROY, HAS_ENDED, REGENERATE, ROTATE } from './session.scripts.js';

/** The options of a `RedisStore`. */
export interface RedisStoreOptions extends RedisConnectionOptions {
  /** The start of all keys; default `'session:'`. Stores with the same prefix share their sessions. */
  prefix?: string | undefined;
  /** How long a call waits for the server, in milliseconds; default 2 000. */
  timeout?: number | undefined;
}

/** What to write instead of ioredis' own options. */
const ADVICE = Object.fromEntries(
  ['host', 'port', 'username', 'password', 'db', 'tls', 'sentinels', 'family', 'path'].map((name) => [
    name,
    `Write redisOptions: { ${name === 'host' || name === 'port' ? 'host, port' : name} }`,
  ]),
);

/**
 * Sessions in Redis (6.2 or newer) or Valkey: one server, Sentinel or Cluster. Each write is one script on one slot. It
 * acts as a whole, and not at all after its deadline.
 */
export class RedisStore extends SessionStore {
  readonly #options: RedisStoreOptions;
  readonly #connection: RedisConnection;
  private readonly layout: Layout;
  private readonly runner: ScriptRunner;
  private readonly changes: Changes;
  private readonly pages: Pages;
  /** Why changes cannot be announced. `undefined` if they can. */
  private silence: string | undefined;

  constructor(options: RedisStoreOptions) {
    checkOptionsObject('RedisStore', options, 'new RedisStore({ url })');
    const { prefix = 'session:', timeout, client, url, redisOptions, cluster, ...others } = options ?? {};
    super('redis', timeout);
    checkNoOthers('RedisStore', others, 'client, url, redisOptions, cluster, prefix, timeout', ADVICE);
    checkPrefix(prefix);
    this.#options = options;
    this.#connection = new RedisConnection({ client, url, redisOptions, cluster }, this.timeout);
    this.layout = new Layout(prefix, this.#connection.isCluster);
    this.runner = new ScriptRunner(this.#connection, this.layout, (operation, deadline) =>
      this.late(operation, deadline),
    );
    this.changes = new Changes(this.runner);
    this.pages = new Pages(this.runner, this.layout, (id) => this.find('page', id));
  }

  /** `feed` is known once the store is open: a user may lack the right to publish. */
  override get capabilities(): SessionStoreCapabilities {
    return { secrets: true, createdAt: true, feed: this.silence ?? true };
  }

  /** The time of the server; in a Cluster, of the server with the first shard. */
  override now(): number {
    return this.runner.now();
  }

  /** One in each shard. */
  override probeIds(seed: string): readonly string[] {
    return idsInShards(this.layout, (n) => probeId(`${seed}-${n}`));
  }

  protected override get advice(): string {
    return this.#connection.advice;
  }

  protected override async connect(): Promise<void> {
    await this.within('open', () => this.#connection.open());
    this.silence = await probeServers({
      connection: this.#connection,
      runner: this.runner,
      layout: this.layout,
      inTime: this.inTime('open'),
    });
  }

  protected override disconnect(): Promise<void> {
    return this.#connection.close();
  }

  protected override async doCreate(record: SessionRecord, deadline: Deadline): Promise<boolean> {
    const fields = fieldsOf(record);
    const groups = new Set(record.groups);
    const [isCreated] = await this.runner.onSession('create', deadline, CREATE, record.id, [
      record.secretHash,
      record.expiresAt,
      fields.length,
      ...fields,
      ...groups,
    ]);
    return isCreated === 1;
  }

  protected override doRead(id: string): Promise<SessionRecord | undefined> {
    return this.find('read', id);
  }

  protected override doUpdate(
    { id }: SessionRef,
    change: SessionChange,
    deadline: Deadline,
  ): Promise<SessionUpdate | undefined> {
    return this.changes.send(id, change, deadline);
  }

  protected override async doRotate(
    { id }: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): Promise<string | undefined> {
    const args = [presented, secretHash, grace];
    const [isLive, current] = await this.runner.onSession('rotate', deadline, ROTATE, id, args);
    return isLive ? (current as string) : undefined;
  }

  protected override async doDestroy(id: string, deadline: Deadline): Promise<boolean> {
    const [wasLive] = await this.runner.onSession('destroy', deadline, DESTROY, id);
    return wasLive === 1;
  }

  protected override async doRegenerate(id: string, deadline: Deadline): Promise<boolean> {
    const [mayHaveSuccessor] = await this.runner.onSession('regenerate', deadline, REGENERATE, id);
    return mayHaveSuccessor === 1;
  }

  protected override async doHaveEnded(ids: string[], deadline: Deadline): Promise<boolean> {
    // One script each, because the sessions may be in several shards. All are sent together.
    const replies = await Promise.all(
      ids.map((id) => this.runner.onSession('haveEnded', deadline, HAS_ENDED, id)),
    );
    return replies.some(([hasEnded]) => hasEnded === 1);
  }

  protected override doPage(options: SessionPageOptions, deadline: Deadline): Promise<SessionPage> {
    return this.pages.page(options, deadline);
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return new Counting(this.runner, this.layout, this.inTime('count')).count(group);
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    const calls = {
      within: <T>(work: (deadline: Deadline) => T | PromiseLike<T>) => this.within('clear', work),
      originsOf: (id: string) => this.originsOf(id),
    };
    return new Clearing(this.runner, this.layout, calls, { group, kept: [...except] }).run();
  }

  /** In a Cluster a group is in several shards, which no script reaches together. */
  protected override async doJoinLimited(
    ref: SessionRef,
    limit: SessionGroupLimit,
  ): Promise<SessionLimitedJoin> {
    if (this.layout.shards.length > 1) return super.doJoinLimited(ref, limit);
    const { group, max, whenFull } = limit;
    const [is, found] = await this.within('joinLimited', (deadline) =>
      this.runner.onSession('joinLimited', deadline, JOIN_LIMITED, ref.id, [group, max, whenFull]),
    );
    if (is === 'gone') return { is };
    const records = (found as string[][]).map(([id, ...fields]) => recordOf(id!, fields)!);
    return is === 'full' ? { is, members: records } : { is: 'joined', ended: records };
  }

  protected override doWatch(sink: SessionFeedSink): Promise<SessionFeedSource> {
    return new RedisFeed(this.runner, this.layout, sink, this.inTime('watch')).open(this.#connection);
  }

  override [EXAMINE](): AsyncIterable<Finding> {
    const { prefix = 'session:', timeout: _, ...options } = this.#options;
    return examineRedis({
      options,
      prefix,
      timeout: this.timeout,
      storeOf: (other) => new RedisStore({ ...this.#options, prefix: other }),
      step: async (connection, operation, work) => {
        try {
          return await this.within(operation, work);
        } catch (error) {
          throw isStoreError(error) ? error : this.failureOn(connection, operation, error);
        }
      },
    });
  }

  protected override late(operation: SessionStoreOperation, deadline?: Deadline): SessionStoreError {
    return super.late(operation, deadline, this.#connection.trouble);
  }

  protected override failure(operation: SessionStoreOperation, error: unknown): Error {
    return this.failureOn(this.#connection, operation, error);
  }

  private failureOn(connection: RedisConnection, operation: SessionStoreOperation, error: unknown): Error {
    const { problem, cause } = connection.explain(operation, error);
    if (problem === SILENT) return this.late(operation);
    // Redis calls a value above its limit a mistake in the protocol.
    if (/invalid bulk length/.test((error as Error).message)) {
      return tooLarge(this.storeName, operation, 'the server accepts (proto-max-bulk-len)', cause);
    }
    return new SessionStoreError(this.storeName, operation, problem, { cause });
  }

  /** Runs the steps of a call, each under a deadline of its own. */
  private inTime(
    operation: SessionStoreOperation,
  ): <T>(work: (deadline: Deadline) => Promise<T>) => Promise<T> {
    return async (work) => this.within(operation, work);
  }

  private async find(operation: SessionStoreOperation, id: string): Promise<SessionRecord | undefined> {
    const shard = this.layout.shards[this.layout.shardOf(id)] as string;
    const reply = await this.#connection.read(operation, noKey(shard), 'HGETALL', [sessionKey(shard, id)]);
    return recordOf(id, reply as string[]);
  }

  private async originsOf(id: string): Promise<string[]> {
    const shard = this.layout.shards[this.layout.shardOf(id)] as string;
    const args = [sessionKey(shard, id), 'from'];
    const [from] = (await this.#connection.read('clear', noKey(shard), 'HMGET', args)) as (string | null)[];
    return from ? (JSON.parse(from) as string[]) : [];
  }
}
