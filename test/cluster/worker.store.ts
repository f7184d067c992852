import cluster, { type ClusterSettings, type Worker } from 'node:cluster';
import { once } from 'node:events';
import { deserialize, serialize } from 'node:v8';
import {
  SessionStore,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
} from 'nestjs-session-stores';
import type { ClusterStoreOptions } from 'nestjs-session-stores/stores/cluster';

interface Driven {
  id: number;
  value?: unknown;
  error?: { name: string; message: string; status?: number };
}

const waiting = new Map<number, (driven: Driven) => void>();
let calls = 0;
let stores = 0;

/** Forks a worker that runs `ClusterStore`s for `WorkerStore`; resolves when it can be driven. */
export async function forkWorker(settings: ClusterSettings = {}): Promise<Worker> {
  cluster.setupPrimary({
    exec: `${import.meta.dirname}/worker.mjs`,
    args: [],
    execArgv: [],
    serialization: 'json',
    ...settings,
  });
  const worker = cluster.fork();
  worker.on('message', (message: { driven?: string }) => {
    if (typeof message?.driven !== 'string') return;
    const driven = deserialize(Buffer.from(message.driven, 'base64')) as Driven;
    waiting.get(driven.id)?.(driven);
    waiting.delete(driven.id);
  });
  await once(worker, 'message');
  return worker;
}

/** Ends a worker that `forkWorker` gave, and resolves when it has. */
export async function killWorker(worker: Worker): Promise<void> {
  if (worker.isDead()) return;
  const gone = once(worker, 'exit');
  worker.process.kill('SIGKILL');
  await gone;
}

/** A `ClusterStore` that lives in a worker: every call is made there. */
export class WorkerStore extends SessionStore {
  private readonly store = ++stores;

  constructor(
    private readonly worker: Worker,
    options: ClusterStoreOptions = {},
    copy = 'nestjs-session-stores/stores/cluster',
  ) {
    super();
    this.drive(0, 'new', [options, copy]);
  }

  /** Lets the worker send `message` as it is. */
  say(message: unknown): void {
    this.drive(0, 'say', [message]);
  }

  override open(): Promise<void> {
    return this.call('open');
  }

  override close(): Promise<void> {
    return this.call('close');
  }

  /** Lets the worker call `serveSessions()`. */
  serve(): Promise<void> {
    return this.call('serve');
  }

  /** Lets the worker count twice in each of some turns of its loop. */
  countInTicks(ticks: number): Promise<number[]> {
    return this.call('countInTicks', ticks);
  }

  create(record: SessionRecord): Promise<void> {
    return this.call('create', record);
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    return withoutPrototype(await this.call<SessionRecord | undefined>('read', id));
  }

  update(
    record: SessionRecord,
    change: SessionChange,
  ): Promise<{ expiresAt: number; secretHash: string } | undefined> {
    return this.call('update', record, change);
  }

  rotate(
    record: SessionRecord,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    return this.call('rotate', record, presented, secretHash, grace);
  }

  destroy(id: string): Promise<boolean> {
    return this.call('destroy', id);
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    const page = await this.call<SessionPage>('page', options);
    page.records.forEach(withoutPrototype);
    return page;
  }

  count(group?: string): Promise<number> {
    return this.call('count', group);
  }

  clear(group?: string, except?: Iterable<string>): Promise<number> {
    // Iterators do not travel.
    const travels = typeof except !== 'object' || except === null || !(Symbol.iterator in except);
    return this.call('clear', group, travels ? except : [...except]);
  }

  private call<T>(method: string, ...args: unknown[]): Promise<T> {
    const id = ++calls;
    const answer = new Promise<T>((resolve, reject) => {
      waiting.set(id, ({ value, error }) => {
        if (error) reject(Object.assign(new Error(error.message), error));
        else resolve(value as T);
      });
    });
    this.drive(id, method, args);
    return answer;
  }

  private drive(id: number, method: string, args: unknown[]): void {
    const drive = serialize({ id, store: this.store, method, args }).toString('base64');
    this.worker.send({ drive }, () => {});
  }
}

/** The worker has seen that there was none: on the way it got one. */
function withoutPrototype(record: SessionRecord | undefined): SessionRecord | undefined {
  if (record) Object.setPrototypeOf(record.data, null);
  return record;
}
