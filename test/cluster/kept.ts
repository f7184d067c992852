import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterStore, type ClusterStoreOptions } from 'nestjs-session-stores/stores/cluster';
import { onTestFinished } from 'vitest';

/** The path of a directory that does not exist yet. Removed when the test is over. */
export async function aDirectory(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'sessions-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  return join(parent, 'kept');
}

/** An open store. Closed when the test is over. */
export async function openStore(options: ClusterStoreOptions): Promise<ClusterStore> {
  const store = new ClusterStore(options);
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

/** Does some work with a store that is closed after it, as in a process that ends. */
export async function inProcess<T>(
  options: ClusterStoreOptions,
  work: (store: ClusterStore) => Promise<T>,
): Promise<T> {
  const store = new ClusterStore(options);
  await store.open();
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Another process with a store: see kept.process.mjs. */
export class StoreProcess {
  private constructor(readonly child: ChildProcess) {}

  /** @param wrapper a command that runs another one, with its arguments */
  static start(options: ClusterStoreOptions, wrapper: string[] = []): StoreProcess {
    const program = `${import.meta.dirname}/kept.process.mjs`;
    const [command, ...args] = [...wrapper, process.execPath, program, JSON.stringify(options)];
    const child = spawn(command!, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const started = new StoreProcess(child);
    onTestFinished(() => started.kill());
    return started;
  }

  static async open(options: ClusterStoreOptions, wrapper?: string[]): Promise<StoreProcess> {
    const started = StoreProcess.start(options, wrapper);
    const { error } = await started.message();
    if (error !== undefined) throw new Error(error);
    return started;
  }

  /** The next message. */
  async message(): Promise<{ isOpen?: true; value?: unknown; error?: string }> {
    const [message] = (await once(this.child, 'message')) as [{ error?: string }];
    return message;
  }

  /** Calls the store. One call at a time. */
  async call(method: 'create' | 'read' | 'update' | 'destroy' | 'clear' | 'close', ...args: unknown[]) {
    const reply = this.message();
    this.child.send([method, ...args]);
    return reply;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
