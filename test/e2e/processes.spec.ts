import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { Browser, type ReceivedResponse } from '../http/browser.js';
import { SampleApp, STORES } from './sample-app.js';

const LOST_CONNECTION = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

const apps: SampleApp[] = [];
afterEach(() => Promise.all(apps.splice(0).map((app) => app.stop())));

async function start(env?: Record<string, string>): Promise<SampleApp> {
  const app = await SampleApp.start(env);
  apps.push(app);
  return app;
}

/** Runs an app that is expected to exit at its start. */
async function failToStart(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const app = new SampleApp(env);
  apps.push(app);
  const code = await app.ended;
  return { code, output: app.output };
}

/** Sends a request, and repeats it whenever the connection is lost. */
async function insist(send: () => Promise<ReceivedResponse>): Promise<ReceivedResponse> {
  const { response, error } = await eventually(async () => {
    try {
      return { response: await send() };
    } catch (lost) {
      if (LOST_CONNECTION.has(String((lost as NodeJS.ErrnoException).code))) throw lost;
      return { error: lost };
    }
  });
  if (response) return response;
  throw error;
}

async function login(app: SampleApp, user: string): Promise<Browser> {
  const browser = new Browser(app.url);
  expect((await browser.post('/login', { user })).status).toBe(201);
  return browser;
}

/** The processes that respond now. */
async function workersOf(browser: Browser): Promise<Set<number>> {
  const responses: ReceivedResponse[] = [];
  for (let request = 0; request < 8; request++) responses.push(await insist(() => browser.get('/me')));
  return new Set(responses.map((response) => response.json<{ worker: number }>().worker));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** An environment in which workers, but not the primary, run `code` before the app. */
const inWorkers = (code: string): Record<string, string> => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(
    `import cluster from 'node:cluster'; if (cluster.isWorker) { ${code} }`,
  )}`,
});

describe('a worker that is killed', () => {
  // The store has no part in it but for the one whose sessions are in the primary.
  it.each(process.env['LONG'] ? STORES : ['cluster', 'redis'])(
    'under load is replaced, and no session is lost, STORE=%s',
    { timeout: 60_000 },
    async (store) => {
      const app = await start({ STORE: store });
      const browsers = await Promise.all(Array.from({ length: 20 }, (_, user) => login(app, `user ${user}`)));
      // A separate session, because simultaneous visits of one session may count as one.
      const watcher = await login(app, 'watcher');
      const before = await workersOf(watcher);
      expect(before.size).toBe(2);
      const [victim] = before;

      const loaded = new AbortController();
      const load = browsers.map(async (browser, user) => {
        let visited = 0;
        while (!loaded.signal.aborted) {
          const response = await insist(() => browser.get('/me'));
          expect(response.status).toBe(200);
          const { visits, ...who } = response.json<{ user: string; visits: number }>();
          expect(who.user).toBe(`user ${user}`);
          expect(visits).toBeGreaterThan(visited);
          visited = visits;
        }
      });

      try {
        process.kill(victim!, 'SIGKILL');
        await eventually(
          async () => {
            const now = await workersOf(watcher);
            expect(now).not.toContain(victim);
            expect(now.size).toBe(2);
          },
          { within: 20_000 },
        );
      } finally {
        loaded.abort();
        await Promise.all(load);
      }
      expect(app.output).toContain(`worker ${victim} ended (SIGKILL)`);
      expect(isRunning(victim!)).toBe(false);
    },
  );

  it('together with all other workers is replaced on the same port', async () => {
    const app = await start();
    const browser = await login(app, 'ada');
    const before = await workersOf(browser);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await eventually(
      async () => {
        const now = await workersOf(browser);
        expect(now.size).toBe(2);
        expect([...now].filter((pid) => before.has(pid))).toEqual([]);
      },
      { within: 20_000 },
    );
  });

  it('repeatedly is replaced after increasing delays', async () => {
    const app = await start();
    const browser = await login(app, 'ada');
    await eventually(
      async () => {
        const response = await insist(() => browser.get('/me'));
        process.kill(response.json<{ worker: number }>().worker, 'SIGKILL');
        expect(app.output).toMatch(/starts now[^]*starts in 400 ms[^]*starts in 800 ms/);
      },
      { within: 20_000 },
    );
    expect((await insist(() => browser.get('/me'))).status).toBe(200);
  });
});

describe('a shutdown of the sample app', () => {
  it.each<NodeJS.Signals>(process.env['LONG'] ? ['SIGTERM', 'SIGINT'] : ['SIGTERM'])(
    'by %s lets pending requests finish and leaves no process',
    async (signal) => {
      const app = await start();
      const browser = await login(app, 'ada');
      const pids = [app.pid, ...(await workersOf(browser))];

      const { hostname, port } = new URL(app.url);
      // Browsers keep spare connections open.
      const reserve = connect(Number(port), hostname).on('error', () => {});
      await once(reserve, 'connect');
      const body = JSON.stringify({ value: 'dark' });
      const socket = connect(Number(port), hostname);
      socket.write(
        [
          'PUT /preferences/theme HTTP/1.1',
          'host: sample',
          `cookie: sid=${browser.cookies.get('sid')}`,
          'content-type: application/json',
          `content-length: ${body.length}`,
          'expect: 100-continue',
          '\r\n',
        ].join('\r\n'),
      );
      // The worker has the request from here on.
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 100/);

      const signalled = Date.now();
      app.signal(signal);
      await eventually(() => expect(browser.get('/')).rejects.toMatchObject({ code: 'ECONNREFUSED' }));
      const response = once(socket, 'data');
      socket.write(body);
      expect(String((await response)[0])).toMatch(/^HTTP\/1.1 200 [^]*Set-Cookie: sid=[^]*{"theme":"dark"}/);

      expect(await app.ended).toBe(0);
      expect(Date.now() - signalled, 'held up by an open connection').toBeLessThan(4000);
      expect(pids.filter((pid) => isRunning(pid))).toEqual([]);
    },
  );
});

describe('the start of the sample app', () => {
  it('without SESSION_SECRET prints that it is not set', async () => {
    expect((await start()).output).toMatch(/SESSION_SECRET is not set/);
  });

  it.each(process.env['LONG'] ? (['SIGTERM', 'SIGKILL'] as const) : (['SIGTERM'] as const))(
    'with the directory of one that got a %s has its sessions, and accepts its cookies',
    async (signal) => {
      const directory = await mkdtemp(join(tmpdir(), 'sample-app-'));
      onTestFinished(() => rm(directory, { recursive: true }));
      const before = await start({ SESSION_DIRECTORY: join(directory, 'sessions') });
      expect(before.output).toMatch(/SESSION_SECRET is not set: the one in .*secret signs the cookies/);
      const browser = await login(before, 'ada');
      before.signal(signal);
      await before.ended;
      const { url } = await start({ SESSION_DIRECTORY: join(directory, 'sessions') });
      const returned = new Browser(url);
      for (const [name, value] of browser.cookies) returned.cookies.set(name, value);
      expect((await returned.get('/me')).json()).toMatchObject({ user: 'ada' });
    },
  );

  it('with SESSION_SECRET prints only its address', async () => {
    const app = await start({ SESSION_SECRET: 'a secret of three apps' });
    expect(app.output).toMatch(/^http:.*\n$/);
    await login(app, 'ada');
  });

  it.each<{ env: Record<string, string>; sentence: RegExp }>([
    { env: { STORE: 'paper' }, sentence: /^STORE=paper is unknown: use cluster\b/ },
    { env: { STORE: 'constructor' }, sentence: /^STORE=constructor is unknown/ },
    { env: { WORKERS: '0' }, sentence: /^WORKERS=0 must be a whole number from 1/ },
    { env: { WORKERS: 'two' }, sentence: /^WORKERS=two must be a whole number/ },
    { env: { PORT: '65536' }, sentence: /^PORT=65536 must be a whole number from 0 to 65535/ },
    { env: { PORT: '' }, sentence: /^PORT= must be a whole number/ },
  ])('with $env fails with a one-line reason', async ({ env, sentence }) => {
    const { code, output } = await failToStart(env);
    expect(code).toBe(1);
    expect(output).toMatch(sentence);
    expect(output.trim().split('\n')).toHaveLength(1);
  });

  it('on a port in use fails with a one-line reason', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    try {
      const { port } = other.address() as AddressInfo;
      const { code, output } = await failToStart({ PORT: String(port), SESSION_SECRET: 'x' });
      expect(code).toBe(1);
      expect(output).toBe(
        `127.0.0.1:${port} cannot be used (another program listens there): choose another PORT or HOST\n`,
      );
    } finally {
      other.close();
    }
  });

  it.each([
    ['exit', 'process.exit(7)', /code 7/],
    ['are killed', "process.kill(process.pid, 'SIGKILL')", /SIGKILL/],
  ])('with workers that %s before they listen fails with the reason', async (_, code, reason) => {
    const ended = await failToStart(inWorkers(code));
    expect(ended.code).toBe(1);
    expect(ended.output).toMatch(/^No worker could start: /m);
    expect(ended.output).toMatch(reason);
  });
});
