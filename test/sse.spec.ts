import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import {
  Controller,
  Get,
  Injectable,
  Post,
  Sse,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { finalize, interval, map, NEVER, startWith, type Observable } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  Session,
  SessionModule,
  sessionOf,
  SessionService,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { eventually } from './eventually.js';
import { Browser } from './http/browser.js';
import { RecordingStore } from './stores/recording.store.js';

type Bag = Record<string, unknown>;

const RECHECK = 40;

/** Streams whose producers still run. */
let producing = 0;

@Injectable()
class LoggedIn implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return (sessionOf(context) as unknown as Bag)['user'] !== undefined;
  }
}

@Controller()
class StreamController {
  @Post('login')
  async login(@Session() session: Session): Promise<string> {
    await session.regenerate();
    (session as unknown as Bag)['user'] = 'ann';
    return session.id;
  }

  @Post('logout')
  async logout(@Session() session: Session): Promise<void> {
    await session.destroy();
  }

  @Post('rotate')
  async rotate(@Session() session: Session): Promise<void> {
    await session.rotate({ grace: 0 });
  }

  @Post('rotate-slowly')
  async rotateSlowly(@Session() session: Session): Promise<void> {
    await session.rotate({ grace: 100 });
  }

  @Sse('events')
  events(@Session() session: Bag): Observable<{ data: unknown }> {
    producing++;
    return interval(5).pipe(
      startWith(0),
      map(() => ({ data: session['user'] ?? 'nobody' })),
      finalize(() => producing--),
    );
  }

  @Sse('guarded')
  @UseGuards(LoggedIn)
  guarded(): Observable<{ data: unknown }> {
    return NEVER;
  }

  @Sse('starting')
  starting(@Session() session: Bag): Observable<{ data: unknown }> {
    session['user'] = 'ben';
    return NEVER.pipe(startWith({ data: 'started' }));
  }

  @Get('id')
  id(@Session() session: Session): string {
    return session.id;
  }
}

/** An open stream, as a client sees it. */
class Stream {
  text = '';
  isOpen = true;
  res!: IncomingMessage;

  static async open(browser: Browser, path: string): Promise<Stream> {
    const stream = new Stream();
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { accept: 'text/event-stream', ...(cookie && { cookie }) };
    const outgoing = request(`${browser.url}${path}`, { headers, agent: false });
    onTestFinished(() => void outgoing.destroy());
    outgoing.end();
    [stream.res] = (await once(outgoing, 'response')) as [IncomingMessage];
    stream.res.on('data', (chunk: Buffer) => (stream.text += chunk.toString()));
    stream.res.on('error', () => {});
    stream.res.on('close', () => (stream.isOpen = false));
    return stream;
  }
}

let names = 0;

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter({ forceCloseConnections: true })],
] as const)('@Sse() streams on %s', (_, adapter) => {
  async function run(options: Partial<SessionModuleOptions> = {}): Promise<{
    app: INestApplication;
    store: RecordingStore;
    browser: Browser;
    logged: string[];
  }> {
    const store = new RecordingStore(new ClusterStore({ name: `sse-${process.pid}-${names++}` }));
    const logged: string[] = [];
    const logger = { warn: () => {}, error: (message: string) => void logged.push(message) };
    const testing = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'sse', store, recheck: RECHECK, logger, ...options })],
      controllers: [StreamController],
    }).compile();
    const app = testing.createNestApplication(adapter(), { logger: false, forceCloseConnections: true });
    await app.listen(0, '127.0.0.1');
    onTestFinished(() => app.close());
    producing = 0;
    return { app, store, browser: new Browser(await app.getUrl()), logged };
  }
  /** Resolves when the streams have been checked twice more. */
  async function checked(store: RecordingStore): Promise<void> {
    store.take();
    await eventually(() => store.calls.filter(({ operation }) => operation === 'read').length >= 2);
  }

  it('are closed with their producers when the session is destroyed, while others stay open', async () => {
    const { store, browser, app } = await run();
    const other = new Browser(browser.url);
    const id = (await browser.post('/login')).text;
    await other.post('/login');
    const ann = await Stream.open(browser, '/events');
    const ben = await Stream.open(other, '/events');
    await eventually(() => ann.text.includes('data: ann') && ben.text.includes('data: ann'));
    await checked(store);
    expect({ ann: ann.isOpen, ben: ben.isOpen, producing }).toEqual({ ann: true, ben: true, producing: 2 });

    await app.get(SessionService).destroy(id);
    await eventually(() => !ann.isOpen);
    expect(ann.res.complete).toBe(true);
    expect({ ben: ben.isOpen, producing }).toEqual({ ben: true, producing: 1 });
  });

  it('are closed when their own browser logs out, and cannot be opened with the old cookie', async () => {
    const { browser } = await run();
    await browser.post('/login');
    const stream = await Stream.open(browser, '/guarded');
    const before = browser.clone();
    await browser.post('/logout');
    await eventually(() => !stream.isOpen);
    expect((await Stream.open(before, '/guarded')).res.statusCode).toBe(403);
  });

  it('are closed when the secret they were opened with is no longer valid', async () => {
    const { browser, store } = await run();
    await browser.post('/login');
    const before = await Stream.open(browser, '/events');
    await browser.post('/rotate');
    const after = await Stream.open(browser, '/events');
    await browser.get('/key');
    await eventually(() => !before.isOpen);
    await checked(store);
    expect(after.isOpen).toBe(true);
  });

  it('stay open when rotateAfter rotates the secret at their start', async () => {
    const { browser, store, app } = await run({ rotateAfter: 50 });
    const id = (await browser.post('/login')).text;
    const { createdAt } = (await store.read(id))!;
    await eventually(() => Date.now() > createdAt + 50);
    const stream = await Stream.open(browser, '/events');
    expect(stream.res.headers['set-cookie']).toHaveLength(1);
    await checked(store);
    expect(stream.isOpen).toBe(true);
    await app.get(SessionService).destroy(id);
    await eventually(() => !stream.isOpen);
  });

  it('stay open when a rotation whose response was lost is repeated at their start', async () => {
    const { browser, store } = await run();
    const id = (await browser.post('/login')).text;
    await browser.clone().post('/rotate-slowly');
    const { replacedAt } = (await store.read(id))!.previous!;
    await eventually(() => Date.now() > replacedAt + 100);
    const stream = await Stream.open(browser, '/events');
    expect(stream.res.headers['set-cookie']).toHaveLength(1);
    await checked(store);
    expect(stream.isOpen).toBe(true);
  });

  it('that start a session are closed when it is destroyed, and those without a session stay open', async () => {
    const { browser, store, app } = await run();
    const anonymous = await Stream.open(browser, '/events');
    const starting = await Stream.open(browser, '/starting');
    await eventually(() => starting.text.includes('started'));
    expect(starting.res.headers['set-cookie']).toHaveLength(1);
    await checked(store);
    expect(new Set(store.calls.map(({ id }) => id)).size).toBe(1);
    await app.get(SessionService).clearAll();
    await eventually(() => !starting.isOpen);
    expect(anonymous.isOpen).toBe(true);
  });

  it('stay open while the store is unreachable', async () => {
    const { browser, store, logged, app } = await run();
    const id = (await browser.post('/login')).text;
    const stream = await Stream.open(browser, '/events');
    store.failing = true;
    await checked(store);
    expect(stream.isOpen).toBe(true);
    expect(logged).toHaveLength(1);
    store.failing = false;
    await app.get(SessionService).destroy(id);
    await eventually(() => !stream.isOpen);
  });

  it('cause no more store calls once they, or the app, are closed', async () => {
    const { browser, store, app } = await run();
    await browser.post('/login');
    const stream = await Stream.open(browser, '/events');
    await checked(store);
    stream.res.destroy();
    await eventually(() => producing === 0);
    store.take();
    await new Promise((resolve) => setTimeout(resolve, 3 * RECHECK));
    expect(store.take()).toEqual([]);

    await Stream.open(browser, '/events');
    await checked(store);
    await app.close();
    store.take();
    await new Promise((resolve) => setTimeout(resolve, 3 * RECHECK));
    expect(store.take()).toEqual([]);
  });

  it('reject a recheck period that is not positive', async () => {
    await expect(run({ recheck: 0 })).rejects.toThrow(/recheck/);
  });
});
