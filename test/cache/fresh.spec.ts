import {
  Controller,
  Get,
  Injectable,
  Param,
  Post,
  Sse,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { of, type Observable } from 'rxjs';
import {
  FreshSession,
  Session,
  SessionModule,
  sessionOf,
  SessionService,
  SessionStore,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { CachedStore } from 'nestjs-session-stores/store';
import { MemoryStore } from 'express-session';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Browser } from '../http/browser.js';
import { HeldStore } from './held.store.js';

type Bag = Session & Record<string, unknown>;

const userOf = (session: Session): unknown => (session as Bag)['user'] ?? null;

/** Changes the session as the request's query says, and keeps it to change it later. */
@Injectable()
class ChangingGuard implements CanActivate {
  static session: Bag | undefined;

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { guard } = context.switchToHttp().getRequest<{ query: { guard?: string } }>().query;
    const session = sessionOf(context) as Bag;
    ChangingGuard.session = session;
    if (guard === 'change') session['seen'] = true;
    if (guard === 'join') session.joinGroup('seen');
    if (guard === 'age') session.cookie.maxAge = 5000;
    if (guard === 'touch') await session.touch();
    if (guard === 'rotate') await session.rotate();
    if (guard === 'regenerate') await session.regenerate();
    if (guard === 'destroy') await session.destroy();
    return true;
  }
}

@Injectable()
class FreshGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const before = sessionOf(context);
    const session = await sessionOf(context, { fresh: true });
    return session === before && userOf(session!) === 'bob';
  }
}

@Controller()
class PageController {
  @Post('login/:name')
  async login(@Session() session: Session, @Param('name') name: string): Promise<string> {
    await session.regenerate();
    (session as Bag)['user'] = name;
    return session.id;
  }

  @Get('page')
  page(@Session() session: Session): unknown {
    return { user: userOf(session) };
  }

  @Get('fresh')
  @FreshSession()
  @UseGuards(ChangingGuard)
  async fresh(@Session() session: Session, @Session('user') user: unknown): Promise<unknown> {
    // After a guard has destroyed it.
    if (!session) return { session: null };
    const isSame = session === ChangingGuard.session;
    const { seen } = session as Bag;
    return { user: user ?? null, isSame, seen, groups: await session.groupNames() };
  }

  @Get('guarded')
  @UseGuards(FreshGuard)
  guarded(@Session() session: Session): unknown {
    return { user: userOf(session) };
  }

  @Sse('events')
  events(@Session() session: Session): Observable<unknown> {
    return of({ data: { user: userOf(session) } });
  }
}

@FreshSession()
@Controller('all')
class FreshController {
  @Get('page')
  page(@Session() session: Session): unknown {
    return { user: userOf(session) };
  }
}

async function serve(options: Partial<SessionModuleOptions> = {}, adapter = new ExpressAdapter() as object) {
  const inner = new HeldStore();
  const logged: string[] = [];
  const logger = { warn: (one: string) => logged.push(one), error: (one: string) => logged.push(one) };
  const testing = await Test.createTestingModule({
    imports: [SessionModule.forRoot({ secret: 'fresh', store: inner, cache: true, logger, ...options })],
    controllers: [PageController, FreshController],
  }).compile();
  const app = testing.createNestApplication(adapter as ExpressAdapter, { logger: false });
  await app.listen(0, '127.0.0.1');
  onTestFinished(() => app.close());
  const browser = new Browser(await app.getUrl());
  const id = (await browser.post('/login/ann')).text;
  await browser.get('/page');
  // From now on this process hears of no change.
  inner.heldEvents = [];
  return { inner, app, browser, id, logged };
}

const BOB = { set: { user: '"bob"' } };

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('on %s, a session that was changed elsewhere, without an event yet,', (_, adapter) => {
  it.each<[path: string, user: string]>([
    ['/page', 'ann'],
    ['/fresh', 'bob'],
    ['/all/page', 'bob'],
    ['/guarded', 'bob'],
  ])('is for %s that of %s', async (path, user) => {
    const { inner, browser, id } = await serve({}, adapter());
    await inner.update({ id }, BOB);
    expect((await browser.get(path)).json()).toMatchObject({ user });
  });

  it.each([
    [true, 'bob'],
    [{ sockets: true }, 'ann'],
  ])('is, with cache: %o, for a stream that of %s', async (cache, user) => {
    const { inner, browser, id } = await serve({ cache }, adapter());
    await inner.update({ id }, BOB);
    expect((await browser.get('/events')).text).toContain(`{"user":"${user}"}`);
  });
});

describe('@FreshSession()', () => {
  it('reads the session into the object that guards have', async () => {
    const { browser } = await serve();
    expect((await browser.get('/fresh')).json()).toMatchObject({ user: 'ann', isSame: true });
  });

  it('reads nothing again in a request that has read the session', async () => {
    const { inner, browser } = await serve();
    inner.announceHeld();
    await inner.update({ id: inner.ids()[0]! }, BOB);
    const { reads } = inner;
    await browser.get('/fresh');
    expect(inner.reads - reads).toBe(1);
  });

  it('of a session that was destroyed elsewhere gives the handler a new one', async () => {
    const { inner, browser, id } = await serve();
    await inner.destroy(id);
    expect((await browser.get('/fresh')).json()).toMatchObject({ user: null, isSame: true });
  });

  it.each<[guard: string, then: object]>([
    ['change', { seen: true }],
    ['join', { groups: ['seen'] }],
  ])('keeps the changes of a guard that did a %s', async (guard, then) => {
    const { inner, browser, id } = await serve();
    await inner.update({ id }, BOB);
    expect((await browser.get(`/fresh?guard=${guard}`)).json()).toMatchObject({ user: 'bob', ...then });
    expect(await inner.read(id)).toMatchObject(
      guard === 'change' ? { data: { seen: 'true', user: '"bob"' } } : { groups: ['seen'] },
    );
  });

  it.each(['change', 'none'])(
    'keeps what is changed while the session is read, after a guard that did: %s',
    async (guard) => {
      const { inner, browser, id } = await serve();
      const read = inner.read.bind(inner);
      vi.spyOn(inner, 'read').mockImplementationOnce(async (one) => {
        const record = await read(one);
        // A guard that was not awaited, or another resolver of the same operation.
        ChangingGuard.session!['late'] = 1;
        return record;
      });
      await inner.update({ id }, BOB);
      expect((await browser.get(`/fresh?guard=${guard}`)).json()).toMatchObject({ user: 'bob' });
      expect((await read(id))!.data).toMatchObject({ late: '1', user: '"bob"' });
    },
  );

  it.each<[guard: string, cookies: number]>([
    ['age', 1],
    ['rotate', 1],
  ])('keeps the cookie of a guard that did a %s', async (guard, cookies) => {
    const { inner, browser, id } = await serve();
    await inner.update({ id }, BOB);
    const response = await browser.get(`/fresh?guard=${guard}`);
    expect(response.json()).toMatchObject({ user: 'bob' });
    expect(response.setCookies).toHaveLength(cookies);
    expect((await browser.post('/page')).status).toBe(404);
    expect((await browser.get('/fresh')).json()).toMatchObject({ user: 'bob' });
  });

  it('keeps a renewal that a guard requested', async () => {
    const { inner, browser, id } = await serve();
    const { expiresAt } = (await inner.read(id))!;
    await browser.get('/fresh?guard=touch');
    expect((await inner.read(id))!.expiresAt).toBeGreaterThan(expiresAt);
  });

  it.each([
    ['regenerate', { user: null, isSame: true }],
    ['destroy', { session: null }],
  ])('leaves the session as it is after a %s by a guard', async (guard, session) => {
    const { browser, inner, id } = await serve();
    expect((await browser.get(`/fresh?guard=${guard}`)).json()).toMatchObject(session);
    expect(await inner.read(id)).toBeUndefined();
  });

  it('fails the request if a guard changed a session that was destroyed elsewhere', async () => {
    const { inner, browser, id } = await serve();
    await inner.destroy(id);
    const response = await browser.get('/fresh?guard=change');
    expect(response).toMatchObject({ status: 401, setCookies: [] });
  });

  it('responds with 503 if the store is unreachable', async () => {
    const { inner, browser } = await serve();
    vi.spyOn(inner, 'read').mockRejectedValue(await failure(inner));
    expect((await browser.get('/page')).status).toBe(200);
    expect(await browser.get('/fresh')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  });

  it("gives the handler an empty session then, with onStoreError: 'anonymous'", async () => {
    const { inner, browser } = await serve({ onStoreError: 'anonymous' });
    vi.spyOn(inner, 'read').mockRejectedValue(await failure(inner));
    expect((await browser.get('/fresh')).json()).toMatchObject({ user: null });
  });
});

/** The error of a store that is unreachable. */
async function failure(inner: HeldStore): Promise<unknown> {
  vi.spyOn(inner as unknown as { doRead(id: string): unknown }, 'doRead').mockRejectedValueOnce(new Error());
  return inner.read('k').catch((error: unknown) => error);
}

describe('the module with cache: true', () => {
  it('provides the cached store, so that writes by the app are seen at once', async () => {
    const { app, browser, id, inner } = await serve();
    const store = app.get(SessionStore);
    expect(store).toBeInstanceOf(CachedStore);
    await store.update({ id }, BOB);
    expect((await browser.get('/page')).json()).toEqual({ user: 'bob' });
    expect(await app.get(SessionService).destroy(id)).toBe(true);
    expect((await browser.get('/page')).json()).toEqual({ user: null });
    expect(inner.heldEvents).toHaveLength(2);
  });

  it('does not start on a store without a feed', async () => {
    const store = fromExpressStore(new MemoryStore());
    await expect(serve({ store })).rejects.toThrow(
      'the store has no feed, which a cache needs: a store of express-session does not announce changes. Leave out the option cache',
    );
  });

  it('caches the default store', async () => {
    const testing = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'default', cache: true })],
    }).compile();
    await testing.init();
    onTestFinished(() => testing.close());
    expect(testing.get(SessionStore)).toBeInstanceOf(CachedStore);
  });
});
