import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { everyStore } from '../stores/every.store.js';
import { RecordingStore } from '../stores/recording.store.js';
import { accountOf, RejectedCall, sessionsOf, type Transport, type TransportApp } from './transport.js';

/** The stores that each transport is tested with: one in memory, one on a server. */
const STORES = everyStore.filter(([word]) => word === 'cluster' || word === 'redis');

/** Defines the tests that every transport must pass. */
export function expectSessions(transport: Transport): void {
  describe.each(STORES)(`sessions over ${transport.name}, on the %s store`, (_, makeStore) => {
    async function start(): Promise<TransportApp & { store: RecordingStore }> {
      const store = new RecordingStore(makeStore());
      return { ...(await transport.start({ secret: 'transport', store })), store };
    }
    const user = (): string => `ann ${randomUUID()}`;
    const statusOf = (call: Promise<unknown>): Promise<number> =>
      call.then(
        () => 200,
        (error: unknown) => {
          if (error instanceof RejectedCall) return error.status;
          throw error;
        },
      );

    it('a client that changes nothing causes no store call and gets no cookie', async () => {
      const { client, store } = await start();
      const one = client();
      expect(await one.whoami()).toMatchObject({ user: null });
      expect(one.setCookie).toBeUndefined();
      expect(store.take()).toEqual([]);
    });

    it('each client keeps its own session', async () => {
      const server = await start();
      const [ann, ben] = [server.client(), server.client()];
      const id = await ann.login('ann');
      await ben.login('ben');
      expect(await ann.whoami()).toEqual({ user: 'ann', id });
      expect(await ben.whoami()).toMatchObject({ user: 'ben' });
    });

    it('a change is stored in one write before the response arrives', async () => {
      const server = await start();
      const ann = server.client();
      const id = await ann.login('ann');
      await eventually(() => server.store.watched !== 'beginning');
      server.store.take();
      await ann.put('theme', 'dark');
      expect(server.store.take()).toEqual(['read', 'update']);
      expect((await sessionsOf(server).find(id))?.data).toMatchObject({ theme: 'dark' });
      expect(await ann.get('theme')).toBe('dark');
    });

    it('parallel calls of one client keep the changes of each call', async () => {
      const server = await start();
      const ann = server.client();
      await ann.login('ann');
      const calls = ['a', 'b', 'c'].map((name) => ann.putSlowly(name, name, name));
      const { gates } = accountOf(server);
      await Promise.all(['a', 'b', 'c'].map((name) => gates.reached(name)));
      for (const name of ['c', 'a', 'b']) gates.open(name);
      await Promise.all(calls);
      for (const name of ['a', 'b', 'c']) expect(await ann.get(name)).toBe(name);
    });

    it('a login destroys the previous session, keeps none of its data, and has a new id', async () => {
      const server = await start();
      const ann = server.client();
      await ann.put('theme', 'dark');
      const before = ann.clone();
      const { id } = await ann.whoami();
      expect(await ann.login('ann')).not.toBe(id);
      expect(await ann.get('theme')).toBeNull();
      expect(await before.get('theme')).toBeNull();
      expect(await sessionsOf(server).find(id)).toBeUndefined();
    });

    it('regenerate destroys the session and starts an empty one', async () => {
      const server = await start();
      const ann = server.client();
      const id = await ann.login('ann');
      await ann.regenerate();
      expect((await ann.whoami()).user).toBeNull();
      expect(await sessionsOf(server).find(id)).toBeUndefined();
    });

    it('rotate sends a new secret for the same session', async () => {
      const server = await start();
      const ann = server.client();
      const id = await ann.login('ann');
      const slower = ann.clone();
      await ann.rotate();
      expect(ann.setCookie).toMatch(/^sid=/);
      expect(await slower.whoami()).toEqual({ user: 'ann', id });
      expect(await ann.whoami()).toEqual({ user: 'ann', id });
    });

    it('a logout destroys the session for all clients that hold it, and clears the cookie', async () => {
      const server = await start();
      const ann = server.client();
      const id = await ann.login('ann');
      const other = ann.clone();
      await ann.logout();
      expect(ann.setCookie).toMatch(/^sid=;/);
      expect(await ann.whoami()).toMatchObject({ user: null });
      expect(await other.whoami()).toMatchObject({ user: null });
      expect(await sessionsOf(server).find(id)).toBeUndefined();
    });

    it('a logout is not undone by a slower call that writes', async () => {
      const server = await start();
      const ann = server.client();
      const id = await ann.login('ann');
      const slower = ann.clone();
      const call = slower.putSlowly('theme', 'dark', 'slow');
      const { gates } = accountOf(server);
      await gates.reached('slow');
      await ann.logout();
      gates.open('slow');
      await call;
      expect(slower.setCookie).toBeUndefined();
      expect(await slower.whoami()).toMatchObject({ user: null });
      expect(await sessionsOf(server).find(id)).toBeUndefined();
    });

    it('a user can be logged out everywhere, which does not affect other users', async () => {
      const server = await start();
      const [laptop, phone, ben] = [server.client(), server.client(), server.client()];
      const name = user();
      await laptop.login(name);
      await phone.login(name);
      await ben.login(user());
      expect(await laptop.logoutEverywhere()).toBe(2);
      expect((await laptop.whoami()).user).toBeNull();
      expect((await phone.whoami()).user).toBeNull();
      expect((await ben.whoami()).user).not.toBeNull();
    });

    it('guards can use the session', async () => {
      const { client } = await start();
      const ann = client();
      expect(await statusOf(ann.guarded())).toBe(403);
      await ann.login('ann');
      expect(await ann.guarded()).toBe('ann');
    });

    it('changes made before a handler throws are stored, and the response is its error', async () => {
      const { client } = await start();
      const ann = client();
      await ann.login('ann');
      expect(await statusOf(ann.putAndThrow('theme', 'dark'))).toBe(418);
      expect(await ann.get('theme')).toBe('dark');
    });

    it('data with the name of a member fails the call, is not stored, and does not hide the member', async () => {
      const server = await start();
      const ann = server.client();
      const id = await ann.login('ann');
      for (const name of ['joinGroup', 'identity', 'save']) {
        expect(await statusOf(ann.put(name, 'data')), name).toBe(500);
        expect(await statusOf(server.client().put(name, 'data')), name).toBe(500);
      }
      expect((await sessionsOf(server).find(id))?.data).toEqual({ user: 'ann' });
      expect(await sessionsOf(server).countAll()).toBe(1);
      const name = user();
      await ann.login(name);
      expect(await sessionsOf(server).count(`user:${name}`)).toBe(1);
    });

    it('a failed save never results in a successful response or a cookie', async () => {
      const { client, store } = await start();
      const ann = client();
      await ann.login('ann');
      store.failing = ['update', 'create'];
      expect(await statusOf(ann.put('theme', 'dark'))).toBe(503);
      expect(ann.setCookie).toBeUndefined();
      const anonymous = client();
      expect(await statusOf(anonymous.put('theme', 'dark'))).toBe(503);
      expect(anonymous.setCookie).toBeUndefined();
      store.failing = false;
      expect(await ann.get('theme')).toBeNull();
      expect(await ann.whoami()).toMatchObject({ user: 'ann' });
    });

    it('a failed read is a 503, and the session is available again afterwards', async () => {
      const { client, store } = await start();
      const ann = client();
      await ann.login('ann');
      store.failing = true;
      expect(await statusOf(ann.whoami())).toBe(503);
      expect(ann.setCookie).toBeUndefined();
      store.failing = false;
      expect(await ann.whoami()).toMatchObject({ user: 'ann' });
    });
  });
}
