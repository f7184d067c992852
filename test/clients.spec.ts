import express from 'express';
import { sessionMiddleware, type SessionOptions } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { MemoryStore } from 'express-session';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { describe, expect, it, vi } from 'vitest';
import { serveApp, tokenOf, type Handler, type TestApp } from './http/app.js';
import { Browser } from './http/browser.js';
import { serve } from './http/server.js';
import { serviceOn } from './http/service.js';

const MINUTE = 60_000;

const handlers: Record<string, Handler> = {
  '/set/:value': (session, { params }) => {
    session['value'] = params['value'];
  },
  '/read': (session) => session['value'] ?? null,
  '/label': async (session, { query }) => {
    await session.setLabel(String(query['as']));
  },
};

const start = (options: Partial<SessionOptions> = { client: true }) => serveApp(handlers, options);

const viewFrom = async (app: TestApp, browser: Browser) =>
  (await (await serviceOn(app.store)).find(tokenOf(browser).id))!;

/** Moves the clock of this process, and so of the store. */
function later(minutes: number): void {
  vi.setSystemTime(Date.now() + minutes * MINUTE);
}

describe('the client of a session', () => {
  it('is not recorded without the option', async () => {
    const app = await start({});
    const browser = app.browser();
    await browser.post('/set/1');
    const { client, lastSeenAt } = await viewFrom(app, browser);
    expect({ client, lastSeenAt }).toEqual({ client: undefined, lastSeenAt: undefined });
  });

  it.each([
    { client: true, ip: '127.0.0.0/24' },
    { client: { ip: 'network' as const }, ip: '127.0.0.0/24' },
    { client: { ip: 'full' as const }, ip: expect.stringMatching(/127\.0\.0\.1$/) },
    { client: { ip: 'none' as const }, ip: undefined },
  ])('is recorded with $client', async ({ client, ip }) => {
    const app = await start({ client });
    const browser = app.browser();
    await browser.post('/set/1');
    const expected = { ...(ip !== undefined && { ip }), userAgent: 'test' };
    expect((await viewFrom(app, browser)).client).toEqual({ first: expected, last: expected });
  });

  it('is what a function of the app returns', async () => {
    const app = await start({
      client: (req) => ({ ip: String(req.headers['x-real']), userAgent: undefined }),
    });
    const browser = app.browser();
    await browser.send('POST', '/set/1', { headers: { 'x-real': 'a' } });
    await browser.send('POST', '/set/2', { headers: { 'x-real': 'b' } });
    expect((await viewFrom(app, browser)).client).toEqual({ first: { ip: 'a' }, last: { ip: 'b' } });
  });

  it('is the one behind a trusted proxy', async () => {
    const store = new ClusterStore({ name: 'clients-proxy' });
    const handler = express().set('trust proxy', 1);
    handler.use(sessionMiddleware({ secret: 'app', store, client: { ip: 'full' } }));
    handler.post('/', (req, res) => {
      req.session['a' as never] = 1 as never;
      res.end();
    });
    const server = await serve(handler);
    const browser = new Browser(server.url);
    await browser.send('POST', '/', { headers: { 'x-forwarded-for': '203.0.113.7, 198.51.100.2' } });
    const view = await (await serviceOn(store)).find(tokenOf(browser).id);
    expect(view!.client!.last.ip).toBe('198.51.100.2');
    await server.close();
    await store.close();
  });

  it('fails the request if the function returns something else', async () => {
    const app = await start({ client: () => ({ ip: 42 }) as never });
    const response = await app.browser().post('/set/1');
    expect(response.status).toBe(500);
    expect(await app.store.count()).toBe(0);
  });

  it.each([
    ['yes', "client must be true, { ip } or a function: write client: { ip: 'network' }"],
    [{ ip: 'some' }, "client.ip must be one of 'none', 'network', 'full'"],
    [{ ip: 'full', agent: true }, 'Unknown client option "agent". Valid options: ip'],
  ])('is refused as %o', (client, message) => {
    const store = new ClusterStore();
    expect(() => sessionMiddleware({ secret: 'a', store, client: client as never })).toThrow(message);
  });

  it('is refused on a store that cannot keep it', () => {
    const store = fromExpressStore(new MemoryStore());
    expect(() => sessionMiddleware({ secret: 'a', store, client: true })).toThrow(
      'client needs a store that keeps when a session was last used',
    );
  });
});

describe('the last use of a session', () => {
  it('costs a request that only reads one write in five minutes, which sends no cookie', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const app = await start({ client: true, idleTimeout: 24 * 60 * MINUTE });
      const browser = app.browser();
      await browser.post('/set/1');
      const before = (await viewFrom(app, browser)).lastSeenAt!;
      app.store.take();
      later(4.9);
      await browser.get('/read');
      expect(app.store.take().filter((call) => !String(call).includes('read'))).toEqual([]);
      later(0.2);
      const response = await browser.get('/read');
      expect(response.setCookies).toEqual([]);
      const record = await app.store.read(tokenOf(browser).id);
      expect(record!.lastSeenAt! - before).toBeGreaterThanOrEqual(5 * MINUTE);
      expect(record!.expiresAt - before).toBeLessThan(24 * 60 * MINUTE + 2000);
    } finally {
      vi.useRealTimers();
    }
  });

  it('costs one write from the cache too', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const app = await start({ client: true, cache: true });
      const browser = app.browser();
      await browser.post('/set/1');
      await browser.get('/read');
      later(6);
      app.store.take();
      for (let request = 0; request < 5; request++) await browser.get('/read');
      expect(app.store.take().filter((call) => call === 'update')).toEqual(['update']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is recorded with each write', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const app = await start();
      const browser = app.browser();
      await browser.post('/set/1');
      later(1);
      const at = Date.now();
      await browser.send('POST', '/set/2', { headers: { 'user-agent': 'another' } });
      const { client, lastSeenAt } = await viewFrom(app, browser);
      expect(lastSeenAt).toBeGreaterThanOrEqual(at);
      expect(client!.first.userAgent).toBe('test');
      expect(client!.last.userAgent).toBe('another');
    } finally {
      vi.useRealTimers();
    }
  });

  it('is not written because the client has changed', async () => {
    const app = await start();
    const browser = app.browser();
    await browser.post('/set/1');
    await browser.send('GET', '/read', { headers: { 'user-agent': 'another' } });
    expect((await viewFrom(app, browser)).client!.last.userAgent).toBe('test');
  });

  it('is no passive request', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const app = await start({ client: true, passive: (req) => req.method === 'GET' });
      const browser = app.browser();
      await browser.post('/set/1');
      const before = (await viewFrom(app, browser)).lastSeenAt;
      later(10);
      await browser.get('/read');
      await browser.get('/set/2');
      expect((await viewFrom(app, browser)).lastSeenAt).toBe(before);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('the label of a session', () => {
  it('is saved with the request, shown, changed and removed', async () => {
    const app = await start({});
    const browser = app.browser();
    await browser.post('/label?as=My%20laptop');
    expect((await viewFrom(app, browser)).label).toBe('My laptop');
    const service = await serviceOn(app.store);
    expect(await service.setLabel(tokenOf(browser).id, 'Work')).toBe(true);
    expect((await service.find(tokenOf(browser).id))!.label).toBe('Work');
    await browser.post('/label?as=');
    expect((await viewFrom(app, browser)).label).toBeUndefined();
    expect(await service.setLabel('unknown', 'Work')).toBe(false);
  });

  it.each([['x'.repeat(101)], ['\ud800'], [42], [undefined]])('is refused as %o', async (label) => {
    const app = await start({});
    const service = await serviceOn(app.store);
    await expect(service.setLabel('a', label as string)).rejects.toThrow(
      'a label must be a well-formed string of at most 100 characters; an empty one removes it',
    );
  });

  it('may have 100 characters of any kind', async () => {
    const app = await start({});
    const browser = app.browser();
    await browser.post('/set/1');
    const service = await serviceOn(app.store);
    await service.setLabel(tokenOf(browser).id, '😀'.repeat(100));
    expect((await viewFrom(app, browser)).label).toBe('😀'.repeat(100));
  });
});
