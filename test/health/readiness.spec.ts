import { randomUUID } from 'node:crypto';
import { Controller, Get, Logger, Module } from '@nestjs/common';
import { HealthCheck, HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { SessionModule, type SessionStore } from 'nestjs-session-stores';
import { SessionHealthIndicator } from 'nestjs-session-stores/health';
import { CachedStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { HeldStore } from '../cache/held.store.js';
import { eventually } from '../eventually.js';
import { Browser } from '../http/browser.js';
import { call, startRedis, startRedisCluster } from '../servers/redis.mjs';
import { everyStore } from '../stores/every.store.js';
import { RecordingStore } from '../stores/recording.store.js';

/** The indicator of a store that is open. */
async function indicatorOf<Store extends SessionStore>(
  store: Store,
  service = new HealthIndicatorService(),
): Promise<SessionHealthIndicator> {
  await store.open();
  onTestFinished(() => store.close());
  return new SessionHealthIndicator(store, service);
}

/** What the indicators of a test log, instead of printing it. */
function logs(): string[] {
  const lines: string[] = [];
  const keep = (line: unknown): void => void lines.push(String(line));
  const spies = [
    vi.spyOn(Logger.prototype, 'error').mockImplementation(keep),
    vi.spyOn(Logger.prototype, 'log').mockImplementation(keep),
  ];
  onTestFinished(() => spies.forEach((spy) => spy.mockRestore()));
  return lines;
}

describe.each(everyStore)('the readiness of the store %s', (_, make) => {
  it('is up, and a write that it probes is no session soon after', async () => {
    const store = make();
    const health = await indicatorOf(store);
    const { sessions } = await health.readiness('sessions', { write: true });
    expect(sessions).toEqual({
      status: 'up',
      shards: [{ read: 'up', write: 'up' }],
      feed: 'unwatched',
    });
    await eventually(async () => (await store.count()) === 0);
    expect((await store.page({ limit: 10 })).records).toEqual([]);
  });
});

describe('readiness', () => {
  it('leaves no key in Redis when it has probed a write', async () => {
    const { url } = inject('redis');
    const prefix = `${randomUUID()}:`;
    const health = await indicatorOf(new RedisStore({ url, prefix, timeout: 200 }));
    await health.readiness('sessions', { write: true });
    await eventually(async () => {
      expect(await call(url, 'KEYS', `${prefix}*`)).toEqual([]);
    });
  });

  it('is down while the server is, with neither its address nor an error in the result', async () => {
    const logged = logs();
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const health = await indicatorOf(new RedisStore({ url: server.url, timeout: 300 }));
    await server.kill();
    const results = await eventually(async () => {
      const { sessions } = await health.readiness('sessions');
      expect(sessions.status).toBe('down');
      return [sessions, (await health.readiness('sessions')).sessions];
    });
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'down',
        shards: [{ read: expect.stringMatching(/failed|timed out/) as string }],
      });
      expect(JSON.stringify(result)).not.toMatch(/127\.0\.0\.1|ECONN|Error/);
    }
    expect(await health.readiness('sessions', { write: true })).toMatchObject({
      sessions: { status: 'down' },
    });
    expect(logged).toEqual([
      expect.stringContaining('the session store is not ready: [session:redis] read:'),
    ]);

    await server.start({ empty: true });
    await eventually(async () => (await health.readiness('sessions')).sessions.status === 'up');
    expect(await health.readiness('sessions', { write: true })).toMatchObject({ sessions: { status: 'up' } });
    expect(logged.slice(1)).toEqual(['the session store is ready again']);
  });

  it('with a write is down while the server rejects writes, and without one it is up', async () => {
    const logged = logs();
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const health = await indicatorOf(new RedisStore({ url: server.url }));
    await call(server.url, 'CONFIG', 'SET', 'maxmemory', 1);
    expect(await health.readiness('sessions')).toMatchObject({ sessions: { status: 'up' } });
    expect(await health.readiness('sessions', { write: true })).toMatchObject({
      sessions: { status: 'down', shards: [{ read: 'up', write: 'failed' }] },
    });
    expect(await health.readiness('sessions')).toMatchObject({ sessions: { status: 'up' } });
    expect(logged).toEqual([
      expect.stringContaining('the session store is not ready: [session:redis] create:'),
    ]);

    await call(server.url, 'CONFIG', 'SET', 'maxmemory', 0);
    await health.readiness('sessions', { write: true });
    expect(logged.slice(1)).toEqual(['the session store is ready again']);
  });

  it('is down if one node of a Redis Cluster is, with the state of each shard', async () => {
    logs();
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.stop());
    // Otherwise the other nodes reject all calls, too.
    for (const { url } of cluster.nodes)
      await call(url, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
    const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
    const health = await indicatorOf(new RedisStore({ cluster: { nodes }, timeout: 500 }));
    const { sessions } = await health.readiness('sessions', { write: true });
    expect(sessions).toMatchObject({ status: 'up' });
    expect(sessions['shards']).toEqual(Array.from({ length: 16 }, () => ({ read: 'up', write: 'up' })));

    // It has the last third of the slots, and no replica.
    await cluster.primaries[2]!.kill();
    await eventually(async () => {
      const after = (await health.readiness('sessions')).sessions;
      const reads = (after['shards'] as { read: string }[]).map(({ read }) => read === 'up');
      expect({ status: after.status, reads }).toEqual({
        status: 'down',
        reads: Array.from({ length: 16 }, (_, shard) => shard < 11),
      });
    });
  });

  it('is degraded, and not down, while the feed is lost and the cache is bypassed', async () => {
    const inner = new HeldStore();
    const health = await indicatorOf(new CachedStore(inner));
    expect(await health.readiness('sessions')).toMatchObject({
      sessions: { status: 'up', feed: 'live', cache: { state: 'in use', sessions: 0 } },
    });
    inner.isFeedDown = true;
    inner.loseFeed();
    const lost = { feed: 'lost', cache: { state: 'bypassed', sessions: 0 } };
    expect(await health.readiness('sessions')).toMatchObject({ sessions: { status: 'degraded', ...lost } });
    expect(health.liveness('sessions')).toEqual({ sessions: { status: 'degraded', ...lost } });
    inner.isFeedDown = false;
    await eventually(async () => (await health.readiness('sessions')).sessions.status === 'up');
  });

  it('is up while the feed is lost in terminus 11, which knows no degraded', async () => {
    class Service11 extends HealthIndicatorService {
      override check<const Key extends string>(key: Key) {
        return Object.assign(super.check(key), { degraded: undefined as never });
      }
    }
    const inner = new HeldStore();
    const health = await indicatorOf(new CachedStore(inner), new Service11());
    inner.isFeedDown = true;
    inner.loseFeed();
    expect(await health.readiness('sessions')).toMatchObject({ sessions: { status: 'up', feed: 'lost' } });
  });

  it('shares the probes of parallel calls', async () => {
    const store = new RecordingStore(new ClusterStore({ name: randomUUID() }));
    const health = await indicatorOf(store);
    await Promise.all([health.readiness('a'), health.readiness('b')]);
    expect(store.take()).toEqual(['read']);
    await health.readiness('a');
    expect(store.take()).toEqual(['read']);
  });

  it.each([
    [{ writes: true }, 'Unknown readiness option "writes". Valid options: write'],
    [{ write: 1 }, 'write must be true or false'],
    [true, 'readiness takes an object: write { write: true }'],
  ])('rejects the options %o', async (options, message) => {
    const health = await indicatorOf(new ClusterStore({ name: randomUUID() }));
    await expect(health.readiness('sessions', options as never)).rejects.toThrow(message);
  });
});

describe('liveness', () => {
  it('never asks the store', async () => {
    const store = new RecordingStore(new ClusterStore({ name: randomUUID() }));
    const health = await indicatorOf(store);
    expect(health.liveness('sessions')).toEqual({ sessions: { status: 'up', feed: 'unwatched' } });
    expect(store.take()).toEqual([]);
  });
});

it('an app responds with 200 or 503 as its store is, by terminus', async () => {
  logs();
  const store = new RecordingStore(new ClusterStore({ name: randomUUID() }));

  @Controller('health')
  class HealthController {
    constructor(
      private readonly health: HealthCheckService,
      private readonly sessions: SessionHealthIndicator,
    ) {}

    @Get('ready')
    @HealthCheck()
    ready() {
      return this.health.check([() => this.sessions.readiness('sessions')]);
    }

    @Get('live')
    @HealthCheck()
    live() {
      return this.health.check([() => this.sessions.liveness('sessions')]);
    }
  }

  @Module({
    imports: [TerminusModule],
    controllers: [HealthController],
    providers: [SessionHealthIndicator],
  })
  class HealthModule {}

  const moduleRef = await Test.createTestingModule({
    imports: [SessionModule.forRoot({ secret: 'health', store }), HealthModule],
  }).compile();
  const app = moduleRef.createNestApplication();
  await app.listen(0, '127.0.0.1');
  onTestFinished(() => app.close());
  const browser = new Browser(await app.getUrl());

  const up = { status: 'up', shards: [{ read: 'up' }], feed: 'unwatched' };
  const ready = await browser.get('/health/ready');
  expect({ status: ready.status, details: ready.json()['details'] }).toEqual({
    status: 200,
    details: { sessions: up },
  });
  store.failing = true;
  expect(await browser.get('/health/live')).toMatchObject({ status: 200 });
  const down = await browser.get('/health/ready');
  expect({ status: down.status, error: down.json()['error'] }).toEqual({
    status: 503,
    error: { sessions: { ...up, status: 'down', shards: [{ read: 'failed' }] } },
  });
});
