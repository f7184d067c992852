import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { sign } from 'cookie-signature';
import { Redis } from 'ioredis';
import type { SessionStore } from 'nestjs-session-stores';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { serviceOn } from '../http/service.js';
import { outlive } from '../redis/tombstones.js';
import { openStore } from '../stores/open.store.mjs';
import { oldStore } from './predecessors.mjs';
import { TrafficSession, visitAll, type Plan } from './traffic.sessions.js';

const SIZE = process.env['LONG'] ? Number(process.env['MIGRATION_SIZE'] ?? 10_000) : 40;
const TEAMS = 5;

interface Place {
  word: string;
  options: Record<string, any>;
}

const redis = (): Place => ({ word: 'redis', options: { ...inject('redis'), prefix: randomUUID() } });
const mongo = (): Place => ({
  word: 'mongo',
  options: { uri: inject('mongo').url, collection: randomUUID() },
});

const WAYS: [string, () => { from: Place; to: Place; clears: boolean }][] = [
  [
    'connect-redis to RedisStore',
    () => ({
      from: { word: 'connect-redis', options: { ...inject('redis'), prefix: `${randomUUID()}:` } },
      to: redis(),
      clears: true,
    }),
  ],
  [
    'connect-mongo to MongoStore',
    () => ({
      from: {
        word: 'connect-mongo',
        options: { mongoUrl: inject('mongo').url, collectionName: randomUUID() },
      },
      to: mongo(),
      // Its all() does not tell the ids.
      clears: false,
    }),
  ],
  ['RedisStore to MongoStore', () => ({ from: redis(), to: mongo(), clears: true })],
];

/** A process of the app, which migrates sessions. */
class AppProcess {
  static async start(from: Place, to: Place): Promise<AppProcess> {
    const child = fork(program, [JSON.stringify({ from, to })], { execArgv: [] });
    onTestFinished(() => void child.kill('SIGKILL'));
    return new AppProcess(child, `http://127.0.0.1:${await resultOf<number>(child)}`);
  }

  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  ask<T>(message: { move?: true; clear?: string; left?: true }): Promise<T> {
    this.child.send(message);
    return resultOf<T>(this.child);
  }
}

const program = join(import.meta.dirname, 'traffic.process.mjs');

function resultOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', ({ result }: { result: T }) => resolve(result));
    child.once('exit', (code) => reject(new Error(`the process ended with ${code}`)));
  });
}

/** What becomes of the sessions: some end, in each of the ways there are. */
function planOf(index: number, clears: boolean): Plan {
  const ways: Plan[] = ['log out', 'log in', clears ? 'is cleared' : 'stays'];
  return ways[index % 8] ?? 'stays';
}

/** Creates the sessions as their predecessor does. */
async function sessionsIn(from: Place, clears: boolean): Promise<TrafficSession[]> {
  const store: SessionStore = await oldStore(from.word, from.options);
  onTestFinished(() => store.close());
  const isForeign = !store.capabilities.secrets;
  const service = isForeign ? undefined : await serviceOn(store, { secret: 'traffic' });
  const create = async (index: number): Promise<TrafficSession> => {
    const plan = planOf(index, clears);
    const team = plan === 'is cleared' ? `team:${index % TEAMS}` : undefined;
    const data: Record<string, any> = { user: index, ...(team && { team }) };
    if (service) {
      const { token } = await service.create(data, team ? { groups: [team] } : {});
      return new TrafficSession(index, plan, token);
    }
    const id = randomUUID();
    const texts = Object.fromEntries(
      Object.entries(data).map(([name, value]) => [name, JSON.stringify(value)]),
    );
    const cookie = '{"maxAge":3600000,"path":"/"}';
    const now = Date.now();
    const record = { id, secretHash: '', data: { ...texts, cookie }, groups: [], createdAt: now };
    await store.create({ ...record, expiresAt: now + 3_600_000 });
    return new TrafficSession(index, plan, encodeURIComponent(`s:${sign(id, 'traffic')}`));
  };
  const sessions: TrafficSession[] = [];
  for (let at = 0; at < SIZE; at += 100)
    sessions.push(
      ...(await Promise.all(Array.from({ length: Math.min(100, SIZE - at) }, (_, n) => create(at + n)))),
    );
  return sessions;
}

/** Migrates sessions that are used all the time, and then uses each of them once more. */
async function migrate(sessions: TrafficSession[], from: Place, to: Place): Promise<AppProcess[]> {
  const processes = await Promise.all([AppProcess.start(from, to), AppProcess.start(from, to)]);
  const [one, other] = processes as [AppProcess, AppProcess];
  const urls = [one.url, other.url] as const;
  const isForeign = from.word.startsWith('connect-');
  // A store of express-session writes a session as a whole, so parallel writes wait until all processes move sessions.
  let isParallel = !isForeign;
  const teams = new Set(
    sessions.filter(({ plan }) => plan === 'is cleared').map(({ index }) => index % TEAMS),
  );
  await visitAll(sessions, urls, () => isParallel, {
    0.25: () => one.ask({ move: true }),
    0.5: () => other.ask({ move: true }).then(() => (isParallel = true)),
    0.6: async () => {
      for (const team of teams) await one.ask({ clear: `team:${team}` });
      for (const session of sessions) if (session.plan === 'is cleared') session.noteEnd();
    },
  });
  return processes;
}

async function expectNothingWrong(sessions: TrafficSession[], processes: AppProcess[]): Promise<void> {
  const urls = processes.map(({ url }) => url);
  const wrong: string[] = [];
  await Promise.all(
    Array.from({ length: 16 }, async (_, lane) => {
      for (let at = lane; at < sessions.length; at += 16) wrong.push(...(await sessions[at]!.problems(urls)));
    }),
  );
  expect(wrong).toEqual([]);
}

const isLive = (session: TrafficSession): boolean => !session.hasEnded;

describe('live sessions under traffic, on two processes that are switched one after the other,', () => {
  it.each(WAYS)(
    'move from %s without a logout, a revival or a lost write',
    async (_, way) => {
      const { from, to, clears } = way();
      const sessions = await sessionsIn(from, clears);
      const begunAt = performance.now();
      const processes = await migrate(sessions, from, to);
      await expectNothingWrong(sessions, processes);
      await eventually(async () => expect(await processes[0]!.ask({ left: true })).toBe(0));
      report(sessions, begunAt);
    },
    900_000,
  );

  it('move from RedisStore to MongoStore, and at once back, where they stay until their tombstones are gone', async () => {
    const [from, to] = [redis(), mongo()];
    const sessions = await sessionsIn(from, true);
    const begunAt = performance.now();
    await expectNothingWrong(sessions, await migrate(sessions, from, to));
    const left = sessions.filter(isLive);
    const processes = await migrate(left, to, from);
    await expectNothingWrong(left, processes);

    const live = left.filter(isLive);
    const there: SessionStore = await openStore('mongo', JSON.stringify(to.options));
    onTestFinished(() => there.close());
    const waiting = await processes[0]!.ask<number>({ left: true });
    expect(waiting).toBeGreaterThan(0);
    const direct = new Redis(inject('redis').url);
    onTestFinished(() => direct.disconnect());
    for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
      const page = await there.page({ after, limit: 1000 });
      await outlive(direct, `${from.options['prefix']}{18}:`, ...page.records.map(({ id }) => id));
      after = page.next;
    }
    await expectNothingWrong(live, processes);
    await eventually(async () => expect(await processes[0]!.ask({ left: true })).toBe(0));
    report(sessions, begunAt);
  }, 900_000);
});

function report(sessions: TrafficSession[], begunAt: number): void {
  if (!process.env['LONG']) return;
  const seconds = Math.round((performance.now() - begunAt) / 1000);
  const writes = sessions.reduce((sum, session) => sum + session.written, 0);
  const ended = sessions.filter(({ hasEnded }) => hasEnded).length;
  console.log(`${sessions.length} sessions, ${ended} ended, ${writes} acknowledged writes, ${seconds} s`);
}
