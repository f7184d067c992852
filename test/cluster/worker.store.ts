import cluster, { type ClusterSettings, type Worker } from 'node:cluster';
import { once } from 'node:events';
import { deserialize, serialize } from 'node:v8';
import {
  NO_DEADLINE,
  SessionStore,
  type SessionChange,
  type SessionFeedListener,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
  type SessionStoreCapabilities,
  type SessionUpdate,
  type SessionWatch,
} from 'nestjs-session-stores/store';
import type { ClusterStoreOptions } from 'nestjs-session-stores/stores/cluster';
import { hostTime, type FeedReport } from '../stores/feed.reports.mjs';

interface Driven {
  id: number;
  value?: unknown;
  error?: { name: string; message: string; status?: number };
}

/** What a watch in a worker reports, with the number of the watch. */
type Watched = FeedReport & { number: number };

const waiting = new Map<number, (driven: Driven) => void>();
const watching = new Map<number, (watched: Watched) => void>();
let calls = 0;
let stores = 0;
let watches = 0;

/** Forks a worker that runs `ClusterStore`s for `WorkerStore`, with `env` besides ours. Resolves when it is ready. */
export async function forkWorker(settings: ClusterSettings = {}, env = {}): Promise<Worker> {
  cluster.setupPrimary({
    exec: `${import.meta.dirname}/worker.mjs`,
    args: [],
    execArgv: [],
    serialization: 'json',
    ...settings,
  });
  const worker = cluster.fork(env);
  worker.on('message', (message: { driven?: string; watched?: string }) => {
    if (typeof message?.watched === 'string') {
      const watched = deserialize(Buffer.from(message.watched, 'base64')) as Watched;
      watching.get(watched.number)?.(watched);
    }
    if (typeof message?.driven !== 'string') return;
    const driven = deserialize(Buffer.from(message.driven, 'base64')) as Driven;
    waiting.get(driven.id)?.(driven);
    waiting.delete(driven.id);
  });
  await once(worker, 'message');
  return worker;
}

/** Kills a worker of `forkWorker`. Resolves when it has exited. */
export async function killWorker(worker: Worker): Promise<void> {
  if (worker.isDead()) return;
  const gone = once(worker, 'exit');
  worker.process.kill('SIGKILL');
  await gone;
}

/** A `ClusterStore` in a worker: every call is made there. */
export class WorkerStore extends SessionStore {
  private readonly store = ++stores;

  constructor(
    private readonly worker: Worker,
    options: ClusterStoreOptions = {},
    copy = 'nestjs-session-stores/stores/cluster',
  ) {
    super('cluster', NO_DEADLINE);
    this.drive(0, 'new', [options, copy]);
  }

  override get capabilities(): SessionStoreCapabilities {
    return { secrets: true, createdAt: true, feed: true };
  }

  /** Makes the worker watch. Its listener cannot be there, so an error that it throws ends here. */
  override async watch(listener: SessionFeedListener): Promise<SessionWatch> {
    let completeUntil = -Infinity;
    let isClosed = false;
    const close = await this.watchReports((report) => {
      if ('completeUntil' in report) return void (completeUntil = report.completeUntil);
      // Not after `lost`: it may have been sent earlier.
      if (report.event.type === 'lost') completeUntil = -Infinity;
      try {
        listener(report.event);
      } catch (error) {
        process.emitWarning(error as Error);
      }
    });
    return {
      get completeUntil() {
        return completeUntil - OFFSET;
      },
      get isClosed() {
        return isClosed;
      },
      close() {
        isClosed = true;
        completeUntil = -Infinity;
        close();
      },
    };
  }

  /** Makes the worker watch, and passes on all that it reports, in order. Resolves to a function that ends it. */
  async watchReports(report: (report: FeedReport) => void): Promise<() => void> {
    const number = ++watches;
    watching.set(number, report);
    await this.ask('watch', number);
    return () => {
      watching.delete(number);
      void this.ask('unwatch', number);
    };
  }

  /** Makes the worker send `message` unchanged. */
  say(message: unknown): void {
    this.drive(0, 'say', [message]);
  }

  /** Makes the worker call `serveSessions()`. */
  serve(): Promise<void> {
    return this.ask('serve');
  }

  /** Makes the worker call `count` twice in each of `ticks` turns of its event loop. */
  countInTicks(ticks: number): Promise<number[]> {
    return this.ask('countInTicks', ticks);
  }

  protected override connect(): Promise<void> {
    return this.ask('open');
  }

  protected override disconnect(): Promise<void> {
    return this.ask('close');
  }

  override create(record: SessionRecord): Promise<boolean> {
    return this.call('create', () => this.doCreate(record));
  }

  override adopt(record: SessionRecord): Promise<void> {
    return this.call('adopt', () => this.ask('adopt', record));
  }

  protected override doCreate(record: SessionRecord): Promise<boolean> {
    return this.ask('create', record);
  }

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    return withoutPrototype(await this.ask<SessionRecord | undefined>('read', id));
  }

  protected override doUpdate(ref: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined> {
    return this.ask('update', ref, change);
  }

  protected override doRotate(
    ref: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    return this.ask('rotate', ref, presented, secretHash, grace);
  }

  protected override doDestroy(id: string): Promise<boolean> {
    return this.ask('destroy', id);
  }

  protected override doRegenerate(id: string): Promise<boolean> {
    return this.ask('regenerate', id);
  }

  protected override doHaveEnded(ids: string[]): Promise<boolean> {
    return this.ask('haveEnded', ids);
  }

  protected override async doPage(options: SessionPageOptions): Promise<SessionPage> {
    const page = await this.ask<SessionPage>('page', options);
    page.records.forEach(withoutPrototype);
    return page;
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return this.ask('count', group);
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    return this.ask('clear', group, except);
  }

  /** The error is already that of the worker's store. */
  protected override failure(_operation: string, error: unknown): Error {
    return error as Error;
  }

  private ask<T>(method: string, ...args: unknown[]): Promise<T> {
    const id = ++calls;
    const response = new Promise<T>((resolve, reject) => {
      waiting.set(id, ({ value, error }) => {
        if (error) reject(Object.assign(new Error(error.message), error));
        else resolve(value as T);
      });
    });
    this.drive(id, method, args);
    return response;
  }

  private drive(id: number, method: string, args: unknown[]): void {
    const drive = serialize({ id, store: this.store, method, args }).toString('base64');
    this.worker.send({ drive }, () => {});
  }
}

/** From an instant of `performance.now()` to one of the host's clock; too high by no more than an interruption. */
const OFFSET = -(performance.now() - hostTime());

/** Restores the null prototype, which the worker has checked and the message lost. */
function withoutPrototype(record: SessionRecord | undefined): SessionRecord | undefined {
  if (record) Object.setPrototypeOf(record.data, null);
  return record;
}
