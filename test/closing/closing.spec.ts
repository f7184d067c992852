import { fork, type ChildProcess } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { createClient, type Client } from 'graphql-ws';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { freePort } from '../servers/ports.mjs';

const isLong = process.env['LONG'] !== undefined;
/** How many connections of each kind each process has. */
const COUNT = isLong ? 100 : 5;

const kinds = ['sse', 'socket', 'subscription'] as const;
type Kind = (typeof kinds)[number];

/** The stores, with the options by which two processes share one. */
const stores: [word: string, options: () => object][] = [
  ['cluster', () => ({ name: randomUUID() })],
  ['redis', () => ({ ...inject('redis'), prefix: `${randomUUID()}:` })],
  ['redis', () => ({ cluster: inject('redisCluster'), prefix: `${randomUUID()}:` })],
  ['mongo', () => ({ uri: inject('mongo').url, collection: randomUUID() })],
  [
    'hazelcast',
    () => {
      const { clusterName, members } = inject('hazelcast');
      return { config: { clusterName, network: { clusterMembers: members } }, prefix: `${randomUUID()}:` };
    },
  ],
];

const program = new URL('app.process.mjs', import.meta.url).pathname;

beforeAll(() => {
  const stop = serveSessions();
  cluster.setupPrimary({ exec: program, execArgv: [] });
  return stop;
});

/** What an app says of the connections that it has closed. */
interface Report {
  /** When it closed them, by kind. */
  closed: Record<Kind, number[]>;
  /** How many events it emitted on connections that it had closed. */
  late: number;
}

/** An app in a process of its own, and connections to it. */
class App {
  private readonly waiting = new Map<number, (result: unknown) => void>();
  private readonly open: (() => void)[] = [];
  private tasks = 0;
  /** How many connections get events, by kind. */
  readonly served: Record<Kind, number> = { sse: 0, socket: 0, subscription: 0 };

  private constructor(
    private readonly send: (message: object) => void,
    private readonly port: number,
  ) {}

  static async start(word: string, options: object): Promise<App> {
    // Of its own, because the workers of a cluster share a port.
    const port = await freePort();
    const args = [word, JSON.stringify(options), String(port)];
    let child: ChildProcess | Worker;
    if (word === 'cluster') {
      cluster.setupPrimary({ args });
      child = cluster.fork();
    } else child = fork(program, args, { execArgv: [] });
    onTestFinished(() => void child.kill('SIGKILL'));
    return new Promise((resolve, reject) => {
      let app: App | undefined;
      child.on('exit', (code) => reject(new Error(`the app ended with ${code}`)));
      child.on('message', (message: { listens?: true; id?: number; result?: unknown }) => {
        if (message.listens) resolve((app = new App((one) => void child.send(one), port)));
        else if (message.id !== undefined) app?.waiting.get(message.id)?.(message.result);
      });
    });
  }

  run<T>(task: string, args: object = {}): Promise<T> {
    const id = ++this.tasks;
    this.send({ id, task, args });
    return new Promise((resolve) => this.waiting.set(id, resolve as (result: unknown) => void));
  }

  report(): Promise<Report> {
    return this.run('report');
  }

  /** Opens a connection of a kind for each token. Resolves once each has got an event. */
  async connect(kind: Kind, tokens: string[]): Promise<void> {
    for (const token of tokens) this[kind](`sid=${token}`, () => this.served[kind]++);
    await eventually(() => this.served[kind] === tokens.length, { within: 60_000 });
  }

  disconnect(): void {
    for (const close of this.open) close();
  }

  private sse(cookie: string, served: () => void): void {
    const request = get(
      `http://127.0.0.1:${this.port}/events`,
      { headers: { cookie }, agent: false },
      (response: IncomingMessage) => {
        response.once('data', served);
        response.resume();
      },
    );
    request.on('error', () => {});
    this.open.push(() => request.destroy());
  }

  private socket(cookie: string, served: () => void): void {
    const socket: Socket = io(`http://127.0.0.1:${this.port}`, {
      extraHeaders: { cookie },
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
    });
    socket.once('number', served);
    socket.emit('numbers');
    this.open.push(() => socket.disconnect());
  }

  private subscription(cookie: string, served: () => void): void {
    class WithCookie extends WebSocket {
      constructor(address: string, protocol: string) {
        super(address, protocol, { headers: { cookie } });
      }
    }
    const client: Client = createClient({
      url: `ws://127.0.0.1:${this.port}/graphql`,
      webSocketImpl: WithCookie,
      retryAttempts: 0,
    });
    let isServed = false;
    client.subscribe(
      { query: 'subscription { numbers }' },
      {
        next: () => {
          if (!isServed) served();
          isServed = true;
        },
        error: () => {},
        complete: () => {},
      },
    );
    this.open.push(() => void client.dispose());
  }
}

/** The time that `share` of all times do not exceed. */
function quantile(times: number[], share: number): number {
  return times.toSorted((one, other) => one - other)[Math.ceil(times.length * share) - 1] ?? NaN;
}

describe('a group that one process clears closes the open connections of another', () => {
  it.each(stores)('on %s', { timeout: 180_000 }, async (word, optionsOf) => {
    const options = optionsOf();
    const [here, there] = await Promise.all([App.start(word, options), App.start(word, options)]);
    onTestFinished(() => [here, there].forEach((app) => app.disconnect()));
    for (const app of [here, there]) {
      for (const kind of kinds)
        await app.connect(kind, await app.run('create', { count: COUNT, group: 'g' }));
    }
    const kept = await there.run<string[]>('create', { count: 1, group: 'other' });
    for (const kind of kinds) {
      there.served[kind] = 0;
      await there.connect(kind, kept);
    }

    const acknowledged = await here.run<number>('clear', { group: 'g' });
    for (const app of [here, there]) {
      await eventually(async () => {
        const { closed } = await app.report();
        expect(kinds.map((kind) => closed[kind].length)).toEqual([COUNT, COUNT, COUNT]);
      });
    }
    const { closed, late } = await there.report();
    expect(late).toBe(0);
    const latencies = Object.fromEntries(
      kinds.map((kind) => {
        const times = closed[kind].map((at) => at - acknowledged);
        return [kind, { p50: quantile(times, 0.5), p99: quantile(times, 0.99) }];
      }),
    );
    console.log(`${word}: closed after, in ms: ${JSON.stringify(latencies)}`);
    if (!isLong) return;
    for (const kind of kinds) expect(latencies[kind]?.p99, kind).toBeLessThan(3000);
  });

  it.runIf(isLong).each(stores)(
    'on %s, 1 000 sockets within three seconds',
    { timeout: 300_000 },
    async (word, optionsOf) => {
      const options = optionsOf();
      const [here, there] = await Promise.all([App.start(word, options), App.start(word, options)]);
      onTestFinished(() => there.disconnect());
      await there.connect('socket', await there.run('create', { count: 1000, group: 'g' }));
      const acknowledged = await here.run<number>('clear', { group: 'g' });
      await eventually(async () => (await there.report()).closed.socket.length === 1000);
      const { closed } = await there.report();
      const last = Math.max(...closed.socket) - acknowledged;
      console.log(`${word}: the last of 1 000 sockets closed after ${last} ms`);
      expect(last).toBeLessThan(3000);
    },
  );
});
