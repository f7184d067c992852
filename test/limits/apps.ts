import { fork, type ChildProcess } from 'node:child_process';
import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import type { SessionWhenFull } from 'nestjs-session-stores/store';
import { inject, onTestFinished } from 'vitest';
import { optionsOf as everyOptions } from '../cache/shared.stores.js';
import { Browser } from '../http/browser.js';
import type { WatchReport } from './token.watch.mjs';

/** The stores and deployments that join in their own way, by name: the word of the store, and its options. */
export const DEPLOYMENTS: Record<string, (namespace: string) => [word: string, options: object]> = {
  cluster: (name) => ['cluster', everyOptions['cluster']!(name)],
  redis: (name) => ['redis', everyOptions['redis']!(name)],
  'redis-cluster': (name) => ['redis', { cluster: inject('redisCluster'), prefix: `${name}:` }],
  mongo: (name) => ['mongo', everyOptions['mongo']!(name)],
  hazelcast: (name) => ['hazelcast', everyOptions['hazelcast']!(name)],
};

/** Those that join in one step, so that a group never has too many sessions, not even for a moment. */
export const IN_ONE_STEP: readonly string[] = ['cluster', 'redis'];

export const POLICIES: readonly SessionWhenFull[] = ['end-oldest', 'end-least-recent', 'reject'];

/** An app with logins, in a process of its own. */
export class LoginApp {
  /** Starts apps on one store, until the test has finished. Those on a cluster are workers of this process. */
  static start(deployment: string, count: number): Promise<LoginApp[]> {
    const [word, options] = DEPLOYMENTS[deployment]!(randomUUID());
    const args = [word, JSON.stringify(options)];
    const program = join(import.meta.dirname, 'logins.process.mjs');
    if (word === 'cluster') {
      onTestFinished(serveSessions());
      cluster.setupPrimary({ exec: program, args, execArgv: [] });
    }
    const fork1 = (): ChildProcess =>
      word === 'cluster' ? cluster.fork().process : fork(program, args, { execArgv: [] });
    return Promise.all(Array.from({ length: count }, () => LoginApp.of(fork1())));
  }

  private static async of(child: ChildProcess): Promise<LoginApp> {
    onTestFinished(() => void child.kill('SIGKILL'));
    return new LoginApp(child, await resultOf<number>(child));
  }

  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {}

  /** Logs in with a new browser. Resolves to the status, and the token of the session if it has one. */
  async logIn(group: string, max: number, whenFull: SessionWhenFull): Promise<Login> {
    const browser = new Browser(`http://127.0.0.1:${this.port}`);
    const { status } = await browser.post(`/login/${group}?max=${max}&when=${whenFull}`);
    const sid = browser.cookies.get('sid');
    return { status, token: status === 200 && sid !== undefined ? `sid=${sid}` : undefined };
  }

  /** Uses tokens from now on, and counts the sessions of a group if it is given. */
  beginWatch(count?: string): Promise<true> {
    return this.ask({ begin: { count } });
  }

  watch({ token }: Login): void {
    if (token !== undefined) this.child.send({ token });
  }

  endWatch(): Promise<WatchReport> {
    return this.ask({ end: true });
  }

  /** Kills the process as `kill -9` does. */
  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }

  private ask<T>(message: object): Promise<T> {
    this.child.send(message);
    return resultOf(this.child);
  }
}

export interface Login {
  status: number;
  /** Absent if the login has failed. */
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
