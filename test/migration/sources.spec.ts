import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoStore as ConnectMongo } from 'connect-mongo';
import { RedisStore as ConnectRedis } from 'connect-redis';
import express from 'express';
import expressSession, { MemoryStore, type Store } from 'express-session';
import { Redis } from 'ioredis';
import type { SessionService } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { createClient } from 'redis';
import fileStore from 'session-file-store';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { connect } from '../hazelcast/client.js';
import { dataOf, serveApp } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { serve } from '../http/server.js';
import { serviceOn } from '../http/service.js';

/** Packages that only the benches install: `npm run bench` does. */
const peers = join(import.meta.dirname, '../../bench/peers/package.json');
const peer = createRequire(peers);
const hasPeers = existsSync(join(peers, '../node_modules'));

interface SourceCase {
  name: string;
  make: () => Promise<Store>;
  /** Whether the store lists sessions with their ids. */
  lists: boolean;
  /** Whether it cannot count its sessions. */
  isUncounted?: boolean;
  isPeer?: boolean;
}

const mongo = async (options: object): Promise<Store> => {
  const store = ConnectMongo.create({
    mongoUrl: inject('mongo').url,
    collectionName: randomUUID(),
    ...options,
  });
  onTestFinished(() => store.close());
  return store;
};

const SOURCES: SourceCase[] = [
  {
    name: 'connect-redis 9',
    lists: true,
    make: async () => {
      const client = await createClient(inject('redis')).connect();
      onTestFinished(() => void client.destroy());
      return new ConnectRedis({ client, prefix: `${randomUUID()}:` });
    },
  },
  {
    name: 'connect-redis 8, on ioredis',
    lists: true,
    isPeer: true,
    make: async () => {
      const client = new Redis(inject('redis').url);
      onTestFinished(() => client.disconnect());
      return new (peer('connect-redis-8').RedisStore)({ client, prefix: `${randomUUID()}:` });
    },
  },
  { name: 'connect-mongo 6', lists: false, make: () => mongo({}) },
  { name: 'connect-mongo 6, without stringify', lists: false, make: () => mongo({ stringify: false }) },
  {
    name: 'hazelcast-store 1',
    lists: false,
    isUncounted: true,
    isPeer: true,
    make: async () => {
      const client = await connect();
      onTestFinished(() => client.shutdown());
      const store = new (peer('hazelcast-store')(peer('express-session')))({ mapName: randomUUID() });
      store.setClient(client);
      return store;
    },
  },
  {
    name: 'session-file-store',
    lists: false,
    make: async () => {
      const path = await mkdtemp(join(tmpdir(), 'sessions-'));
      onTestFinished(() => rm(path, { recursive: true, force: true }));
      return new (fileStore(expressSession))({ path, retries: 0, reapInterval: -1, logFn: () => {} });
    },
  },
  { name: 'MemoryStore', lists: true, make: async () => new MemoryStore() },
];

const DATA = {
  team: 'blue',
  since: new Date('2026-01-02T03:04:05.678Z'),
  cart: { items: [{ sku: 'ü-1', price: 9.5 }, null], 'a.b': { $set: true } },
  name: 'Zoë 🦊 \u2028',
  zero: 0,
  no: false,
};
const MAX_AGE = 1_800_000;

/** A browser with a session that express-session has made in a store. */
async function loggedIn(store: Store): Promise<Browser> {
  const app = express();
  const cookie = { maxAge: MAX_AGE };
  app.use(
    expressSession({ secret: 'app', name: 'sid', resave: false, saveUninitialized: false, store, cookie }),
  );
  app.get('/login', (req, res) => {
    Object.assign(req.session, DATA);
    res.json(null);
  });
  const server = await serve(app);
  onTestFinished(() => server.close());
  const browser = new Browser(server.url);
  await browser.get('/login');
  return browser;
}

const groupsOf = ({ team }: Record<string, unknown>): string[] => (team ? [String(team)] : []);

/** The service of an app that migrates from a store. */
function serviceFor(store: Store): Promise<SessionService> {
  return serviceOn(new ClusterStore({ name: randomUUID() }), {
    migrateFrom: { store: fromExpressStore(store), move: true, groupsOf },
  });
}

describe.each(SOURCES)('$name', ({ make, lists, isUncounted = false, isPeer = false }) => {
  const left = (count: number): number | undefined => (isUncounted ? undefined : count);

  it.skipIf(isPeer && !hasPeers)(
    'is a store from which a session moves with its data, its lifetime and its cookie',
    async () => {
      const store = await make();
      const browser = await loggedIn(store);
      const before = browser.cookies.get('sid')!;
      const name = randomUUID();
      const { url } = await serveApp(
        { '/': dataOf, '/age': (session) => session.cookie.maxAge },
        {
          store: new ClusterStore({ name }),
          migrateFrom: { store: fromExpressStore(store), move: true, groupsOf },
          cookie: { maxAge: 60_000 },
        },
      );
      const here = new Browser(url);
      here.cookies.set('sid', before);
      expect((await here.get('/')).json()).toMatchObject(JSON.parse(JSON.stringify(DATA)) as object);
      expect(here.cookies.get('sid')).not.toBe(before);
      const age = (await here.get('/age')).json<number>();
      expect(age).toBeGreaterThan(MAX_AGE - 60_000);
      expect(age).toBeLessThanOrEqual(MAX_AGE);
      expect((await here.get('/')).json()).toMatchObject(JSON.parse(JSON.stringify(DATA)) as object);

      const there = new ClusterStore({ name });
      await there.open();
      onTestFinished(() => there.close());
      const [moved] = (await there.page({ limit: 2, group: 'blue' })).records;
      expect(moved?.data['since']).toBe('"2026-01-02T03:04:05.678Z"');
      expect(await fromExpressStore(store).read(moved!.id)).toBeUndefined();
      expect(await (await serviceFor(store)).migration()).toEqual({ move: true, left: left(0) });
    },
  );

  it.skipIf(isPeer && !hasPeers)(
    lists ? 'clears a group before its sessions have moved' : 'rejects a clear of a group, and says why',
    async () => {
      const store = await make();
      const browser = await loggedIn(store);
      const service = await serviceFor(store);
      expect((await service.migration())?.left).toBe(left(1));
      if (!lists) {
        await expect(service.clearGroup('blue')).rejects.toThrow(
          /groups cannot be listed, counted or cleared while .* no all\(\) that returns their ids/,
        );
        expect(await service.migration()).toEqual({ move: true, left: left(1) });
        return;
      }
      expect(await service.clearGroup('blue')).toBe(1);
      expect(await service.migration()).toEqual({ move: true, left: left(0) });
      expect(browser.cookies.size).toBe(1);
    },
  );
});
