import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inject } from 'vitest';
import { eventually } from '../eventually.js';
import { everyStore } from '../stores/every.store.js';

const main = join(import.meta.dirname, '../../dist/sample-app/main.js');

/** The values of `STORE`. */
export const STORES = everyStore.map(([word]) => word);

/** The built sample app, running in separate processes. */
export class SampleApp implements AsyncDisposable {
  /** What it has printed so far, errors included. */
  output = '';
  /** Resolves when it has ended, to its exit code, or to `null` if a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;

  /** @param env extends two workers, a free port, sessions in memory alone and the servers of the run. `undefined` removes a variable. */
  constructor(env: Record<string, string | undefined> = {}) {
    this.#child = spawn(process.execPath, [main], {
      env: {
        ...process.env,
        NODE_OPTIONS: undefined,
        HOST: undefined,
        SESSION_DIRECTORY: '',
        SESSION_SECRET: undefined,
        STORE: undefined,
        MONGO_URL: inject('mongo').url,
        HAZELCAST_ADDRESSES: inject('hazelcast').members.join(),
        HAZELCAST_CLUSTER_NAME: inject('hazelcast').clusterName,
        REDIS_URL: inject('redis').url,
        WORKERS: '2',
        PORT: '0',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout!.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.ended = once(this.#child, 'close').then(([code]) => code as number | null);

    // Its workers exit with it.
    const kill = () => this.#child.kill('SIGKILL');
    process.once('exit', kill);
    void this.ended.then(() => process.off('exit', kill));
  }

  /** Starts an app and waits until it listens. */
  static async start(env?: Record<string, string | undefined>): Promise<SampleApp> {
    const app = new SampleApp(env);
    await eventually(() => app.url, { within: 20_000 }).catch((error: unknown) =>
      app.stop().then(() => Promise.reject(error)),
    );
    return app;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Where it listens. Throws until it has printed its address. */
  get url(): string {
    const [, port] = /^http:\/\/localhost:(\d+)/m.exec(this.output) ?? [];
    if (port === undefined) throw new Error(`the sample app does not listen yet. Its output: ${this.output}`);
    return `http://127.0.0.1:${port}`;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
