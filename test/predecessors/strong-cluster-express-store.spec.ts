import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { Controller, Post } from '@nestjs/common';
import { Session, type SessionService } from 'nestjs-session-stores';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killWorker } from '../cluster/worker.store.js';
import { eventually } from '../eventually.js';
import type { TestSession } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { serveHello } from './hello.app.mjs';
import { serveNest } from './nest.app.js';

@Controller()
class VisitController {
  @Post('visit')
  visit(@Session() session: TestSession): string {
    session['visited'] = '1';
    return session.id;
  }
}

describe('strong-cluster-express-store', () => {
  let worker: Worker;
  let workerUrl: string | undefined;
  let primary: { url: string; sessions: SessionService; close: () => Promise<void> };
  let stop: () => void;

  beforeAll(async () => {
    stop = serveSessions();
    cluster.setupPrimary({
      exec: `${import.meta.dirname}/hello.app.mjs`,
      args: [],
      execArgv: [],
      serialization: 'json',
    });
    worker = cluster.fork();
    // The worker's store sends messages too.
    worker.on('message', ({ url }: { url?: string }) => (workerUrl = url ?? workerUrl));
    primary = await serveHello();
    await eventually(() => workerUrl !== undefined);
  });
  afterAll(async () => {
    if (worker) await killWorker(worker);
    await primary?.close();
    stop?.();
  });

  const atWorker = (): Browser => new Browser(workerUrl!);
  const hello = async (browser: Browser): Promise<unknown> => (await browser.get('/hello')).json()['msg'];
  const idIn = (browser: Browser): string =>
    decodeURIComponent(browser.cookies.get('sid')!).slice('s:'.length).split('.')[0]!;
  /** The same browser at the app of the primary. */
  function atPrimary({ cookies }: Browser): Browser {
    const browser = new Browser(primary.url);
    for (const [name, value] of cookies) browser.cookies.set(name, value);
    return browser;
  }

  it('the README example greets a browser that comes back, after serveSessions() in the primary', async () => {
    const browser = atWorker();
    expect(await hello(browser)).toBe(`Hello from worker ${worker.id}`);
    expect(await hello(browser)).toBe(`Hello again from worker ${worker.id}`);
    expect(await hello(atWorker())).toBe(`Hello from worker ${worker.id}`);
  });

  it('the processes of a cluster share their sessions', async () => {
    const browser = atWorker();
    await hello(browser);
    expect(await hello(atPrimary(browser))).toBe('Hello again from the primary');
  });

  it('a session that one process destroys is gone in the others', async () => {
    const browser = atWorker();
    await hello(browser);
    await atPrimary(browser).post('/logout');
    expect(await hello(browser)).toBe(`Hello from worker ${worker.id}`);
  });

  it('get: SessionService.find of one process resolves to a session of another', async () => {
    const browser = atWorker();
    await hello(browser);
    expect(await primary.sessions.find(idIn(browser))).toMatchObject({ data: { visited: '1' } });
    expect(await primary.sessions.find('nobody')).toBeUndefined();
  });

  it('set: SessionService.create of one process makes a session that another one admits', async () => {
    const { token } = await primary.sessions.create({ visited: '1' });
    const browser = atWorker();
    browser.cookies.set('sid', token);
    expect(await hello(browser)).toBe(`Hello again from worker ${worker.id}`);
  });

  it('destroy: SessionService.destroy of one process ends a session of another', async () => {
    const browser = atWorker();
    await hello(browser);
    expect(await primary.sessions.destroy(idIn(browser))).toBe(true);
    expect(await hello(browser)).toBe(`Hello from worker ${worker.id}`);
  });

  it('a session that is not used for its idleTimeout is gone, as with expireKeys', async () => {
    const store = new ClusterStore({ name: randomUUID() });
    const app = await serveNest(
      { secret: 'super-cool', idleTimeout: 100, store },
      { controllers: [VisitController] },
    );
    const id = (await app.browser().post('/visit')).text;
    await eventually(async () => (await app.sessions.find(id)) === undefined);
    expect(await app.sessions.countAll()).toBe(0);
  });
});
