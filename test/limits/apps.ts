import { fork, type ChildProcess } from 'node:child_process';
import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import type { SessionWhenFull } from 'nestjs-session-stores/store';
import { inject } from 'vitest';
import { optionsOf as everyOptions } from '../cache/shared.stores.js';
import { Browser } from '../http/browser.js';
import type { WatchReport } from './token.watch.mjs';

/** The stores and deployments that join in their own way, by name: the word of the store, and its options. */
const OPTIONS: Record<string, (namespace: string) => [word: string, options: object]> = {
  cluster: (name) => ['cluster', everyOptions['cluster']!(name)],
  redis: (name) => ['redis', everyOptions['redis']!(name)],
  'redis-cluster': (name) => ['redis', { cluster: inject('redisCluster'), prefix: `${name}:` }],
  mongo: (name) => ['mongo', everyOptions['mongo']!(name)],
  hazelcast: (name) => ['hazelcast', everyOptions['hazelcast']!(name)],
};

export const DEPLOYMENTS: readonly string[] = Object.keys(OPTIONS);

/** Those that join in one step, so that a group never has too many sessions, not even for a moment. */
export const IN_ONE_STEP: readonly string[] = ['cluster', 'redis'];

export const POLICIES: readonly SessionWhenFull[] = ['end-oldest', 'end-least-recent', 'reject'];

/** How an app of {@link LoginApps} starts. */
export interface StartOptions {
  /** The step of its joins before which the process is killed; then it joins in steps, whatever its store does. */
  dieBefore?: number;
}

/** Apps on one store, each in a process of its own. Those on a cluster are workers of this process. */
export class LoginApps {
  private readonly apps: LoginApp[] = [];
  private readonly args: string[];
  private readonly isCluster: boolean;
  private readonly stopServing: (() => void) | undefined;

  constructor(deployment: string) {
    const [word, options] = OPTIONS[deployment]!(randomUUID());
    this.args = [word, JSON.stringify(options)];
    this.isCluster = word === 'cluster';
    this.stopServing = this.isCluster ? serveSessions() : undefined;
  }

  async start(count: number, { dieBefore }: StartOptions = {}): Promise<LoginApp[]> {
    const args = dieBefore === undefined ? this.args : [...this.args, String(dieBefore)];
    const started = await Promise.all(
      Array.from({ length: count }, () => LoginApp.of(this.isCluster ? inCluster(args) : inFork(args))),
    );
    this.apps.push(...started);
    return started;
  }

  stop(): void {
    for (const app of this.apps) void app.kill();
    this.stopServing?.();
  }
}

const program = join(import.meta.dirname, 'logins.process.mjs');

function inFork(args: string[]): ChildProcess {
  return fork(program, args, { execArgv: [] });
}

function inCluster(args: string[]): ChildProcess {
  cluster.setupPrimary({ exec: program, args, execArgv: [] });
  return cluster.fork().process;
}

/** An app with logins, in a process of its own. */
export class LoginApp {
  static async of(child: ChildProcess): Promise<LoginApp> {
    return new LoginApp(child, await resultOf<number>(child));
  }

  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {}

  /** Logs in with a new browser, or again with the session of an earlier login. */
  async logIn(group: string, max: number, whenFull: SessionWhenFull, before?: Login): Promise<Login> {
    const browser = new Browser(`http://127.0.0.1:${this.port}`);
    if (before?.token !== undefined) browser.cookies.set('sid', before.token);
    const { status } = await browser.post(`/login/${group}?max=${max}&when=${whenFull}`);
    return { status, token: status === 200 ? browser.cookies.get('sid') : undefined };
  }

  /** Uses tokens from now on, and counts the sessions of a group if it is given. */
  beginWatch(count?: string): Promise<true> {
    return this.ask({ begin: { count } });
  }

  watch({ token }: Login): void {
    if (token !== undefined) this.child.send({ token });
  }

  /** Resolves when the tokens have been used once more. */
  watching(): Promise<true> {
    return this.ask({ used: true });
  }

  endWatch(): Promise<WatchReport> {
    return this.ask({ end: true });
  }

  /** The lifetimes that the sessions of a group have left, in milliseconds. */
  lifetimesOf(group: string): Promise<number[]> {
    return this.ask({ lifetimesOf: group });
  }

  /** Kills the process as `kill -9` does. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.gone;
  }

  get gone(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => child.once('exit', () => resolve()));
  }

  private ask<T>(message: object): Promise<T> {
    this.child.send(message);
    return resultOf(this.child);
  }
}

export interface Login {
  status: number;
  /** The session cookie. Absent if the login has failed. */
  token: string | undefined;
}

/** The next result that a process sends. Its other messages are those of the store of a cluster. */
function resultOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => {
    const listener = ({ result }: { result?: T }): void => {
      if (result === undefined) return;
      child.off('message', listener);
      resolve(result);
    };
    child.on('message', listener);
  });
}
