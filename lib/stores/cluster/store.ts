import * as clusterModule from 'node:cluster';
import { setImmediate } from 'node:timers/promises';
import type { Deadline } from '../../contract/deadline.js';
import { SessionStoreError, NotOpenError } from '../../contract/errors.js';
import { EXAMINE, type Finding } from '../../contract/examination.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type { SessionGroupLimit, SessionLimitedJoin } from '../../contract/limit.js';
import { checkNoOthers } from '../../contract/option-checks.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../../contract/record.js';
import type { SessionStoreCapabilities, SessionStoreOperation } from '../../contract/capabilities.js';
import { SessionStore } from '../../contract/store.js';
import { RemoteSessions } from './channel.js';
import { examineCluster } from './examination.js';
import type { Durability } from './journal/file.js';
import { checkKeeping, type Keeping } from './keeping.js';
import { pm2Instance } from './pm2.js';
import { closeSessions, openSessions } from './registry.js';
import type { ClearReach } from './clearing.js';
import { positionIn } from './position.js';
import type { Sessions } from './sessions.js';
import { defaultExport } from '../../contract/default-export.js';

const cluster = defaultExport(clusterModule);

/** The options of a `ClusterStore`. */
export interface ClusterStoreOptions {
  /** Stores with the same name share their sessions; default `'sessions'`. */
  name?: string | undefined;
  /**
   * How long a worker waits for the primary, and how long a change may take to be written, in milliseconds; default
   * 2 000. Also how long a directory that another process uses is waited for.
   */
  timeout?: number | undefined;
  /**
   * Keeps the sessions in a journal in this directory too, so that they survive a restart; default none. Created if it
   * does not exist. Belongs to one process at a time. A worker of `node:cluster` must not have it: its sessions are in
   * the primary, which has `serveSessions({ directory })`.
   */
  directory?: string | undefined;
  /**
   * When a change is acknowledged: `'process'`, the default, once the operating system has it, so that a crash of the
   * process loses nothing; `'disk'` once the disk has it, so that a loss of power loses nothing either. Needs a
   * `directory`.
   */
  durability?: Durability | undefined;
}

/**
 * Sessions in memory: of this process, or of the primary if this is a worker of `node:cluster`. The primary must call
 * `serveSessions()` before it forks. Without a `directory` the sessions end with that process. In a process that does not
 * serve, they end with the last open store of their name.
 *
 * In PM2's cluster mode, whose primary cannot serve, a single instance keeps the sessions itself. One of several cannot
 * be opened.
 */
export class ClusterStore extends SessionStore {
  private readonly name: string;
  private readonly keeping: Keeping | undefined;
  private sessions: Sessions | RemoteSessions | undefined;
  /** The sessions of this process, from the first call of `openSessions` on. */
  private opening: Promise<Sessions> | undefined;

  constructor({ name = 'sessions', timeout, directory, durability, ...others }: ClusterStoreOptions = {}) {
    super('cluster', timeout);
    checkNoOthers('ClusterStore', others, 'name, timeout, directory, durability');
    if (typeof name !== 'string') throw new TypeError("name must be a string: write one such as 'sessions'");
    this.name = name;
    this.keeping = checkKeeping({ directory, durability, timeout: this.timeout });
  }

  override get capabilities(): SessionStoreCapabilities {
    return CAPABILITIES;
  }

  protected override get advice(): string {
    const isRemote = !this.keeping && !cluster.isPrimary;
    return isRemote ? 'Does the primary call serveSessions() before it forks?' : 'Is its disk slow?';
  }

  protected override async connect(): Promise<void> {
    const instance = cluster.isPrimary ? undefined : pm2Instance(process.env);
    if (instance === 'one of several') throw new SessionStoreError('cluster', 'open', SEVERAL_UNDER_PM2);
    if (cluster.isPrimary || instance === 'only') {
      await this.openHere();
      return;
    }
    if (this.keeping) throw new SessionStoreError('cluster', 'open', DIRECTORY_IN_WORKER);
    const sessions = new RemoteSessions(this.name);
    this.sessions = sessions;
    await this.within('open', (deadline) => sessions.open(deadline));
  }

  protected override async disconnect(): Promise<void> {
    const { sessions, opening } = this;
    this.sessions = undefined;
    this.opening = undefined;
    if (sessions instanceof RemoteSessions) sessions.close();
    const opened = await opening?.catch(() => undefined);
    if (opened) await closeSessions(this.name);
  }

  override async *[EXAMINE](): AsyncGenerator<Finding, void, undefined> {
    const isWorker = !cluster.isPrimary && pm2Instance(process.env) === undefined;
    yield* examineCluster(this.keeping, isWorker);
  }

  private async openHere(): Promise<void> {
    const opening = openSessions(this.name, this.keeping);
    this.opening = Promise.resolve(opening);
    const { opening: mine } = this;
    const sessions = opening instanceof Promise ? await opening : opening;
    // Unless the store was closed meanwhile.
    if (this.opening === mine) this.sessions = sessions;
  }

  /** Holds a result back until every change that it may rely on is written. */
  private acknowledged<T>(operation: SessionStoreOperation, result: T | Promise<T>): T | Promise<T> {
    const { sessions } = this;
    const written = sessions instanceof RemoteSessions ? undefined : sessions?.written(operation);
    return written ? written.then(() => result) : result;
  }

  protected override doCreate(record: SessionRecord, deadline: Deadline): boolean | Promise<boolean> {
    return this.acknowledged('create', this.opened('create').create(record, deadline));
  }

  protected override doRead(
    id: string,
    deadline: Deadline,
  ): SessionRecord | undefined | Promise<SessionRecord | undefined> {
    return this.opened('read').read(id, deadline);
  }

  protected override doUpdate(
    { id }: SessionRef,
    change: SessionChange,
    deadline: Deadline,
  ): SessionUpdate | undefined | Promise<SessionUpdate | undefined> {
    return this.acknowledged('update', this.opened('update').update(id, change, deadline));
  }

  protected override doRotate(
    { id }: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): string | undefined | Promise<string | undefined> {
    return this.acknowledged(
      'rotate',
      this.opened('rotate').rotate(id, presented, secretHash, grace, deadline),
    );
  }

  protected override doDestroy(id: string, deadline: Deadline): boolean | Promise<boolean> {
    return this.acknowledged('destroy', this.opened('destroy').destroy(id, deadline));
  }

  protected override doRegenerate(id: string, deadline: Deadline): boolean | Promise<boolean> {
    return this.acknowledged('regenerate', this.opened('regenerate').regenerate(id, deadline));
  }

  protected override doHaveEnded(ids: string[], deadline: Deadline): boolean | Promise<boolean> {
    return this.opened('haveEnded').haveEnded(ids, deadline);
  }

  protected override async doPage(
    { group, after, limit }: SessionPageOptions,
    deadline: Deadline,
  ): Promise<SessionPage> {
    const position = after === undefined ? 0 : positionIn(after);
    const { records, next } = await this.opened('page').page(group, position, limit, deadline);
    return next === undefined ? { records } : { records, next: String(next) };
  }

  protected override async doCount(group: string | undefined): Promise<number> {
    return this.within('count', (deadline) => this.opened('count').count(group, deadline));
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    const sessions = this.opened('clear');
    let ended = 0;
    let reach: ClearReach | undefined;
    do {
      // Lets other calls run between two steps.
      if (reach) await setImmediate();
      const step = await this.within('clear', (deadline) =>
        this.acknowledged('clear', sessions.clear(group, except, reach, deadline)),
      );
      ended += step.ended;
      reach = step.next;
    } while (reach);
    return ended;
  }

  protected override async doJoinLimited(
    { id }: SessionRef,
    limit: SessionGroupLimit,
  ): Promise<SessionLimitedJoin> {
    return this.within('joinLimited', (deadline) =>
      this.acknowledged('joinLimited', this.opened('joinLimited').joinLimited(id, limit, deadline)),
    );
  }

  protected override async doWatch(sink: SessionFeedSink, deadline: Deadline): Promise<SessionFeedSource> {
    return this.opened('watch').watch(sink, deadline);
  }

  private opened(operation: SessionStoreOperation): Sessions | RemoteSessions {
    if (this.sessions) return this.sessions;
    throw new NotOpenError('cluster', operation);
  }
}

const CAPABILITIES: SessionStoreCapabilities = Object.freeze({ secrets: true, createdAt: true, feed: true });

const DIRECTORY_IN_WORKER =
  'directory is an option of the process that has the sessions, and this is a worker. Pass it to serveSessions() in the primary instead';

const SEVERAL_UNDER_PM2 =
  "the primary is PM2's daemon, which cannot serve sessions to several instances. Use RedisStore, MongoStore or HazelcastStore; or run one instance (instances: 1); or set exec_mode: 'fork', and fork workers with node:cluster";
