import { Controller, Get, Module, Post, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Session, SessionModule, SessionService, type SessionModuleOptions } from 'nestjs-session-stores';
import { SessionStoreError, type SessionFeedEvent } from 'nestjs-session-stores/store';
import { loginAs, MemoryStore } from 'nestjs-session-stores/testing';

const MINUTE = 60_000;

type Bag = Session & Record<string, unknown>;
type Headers = Readonly<Record<string, string>>;

@Controller()
class Account {
  @Get('me')
  me(@Session('user') user: string | undefined) {
    return { user: user ?? null };
  }

  @Post('login')
  async login(@Session() session: Bag) {
    await session.regenerate();
    session['user'] = 'ann';
  }
}

async function start(options: Partial<SessionModuleOptions>): Promise<{
  app: INestApplication;
  store: MemoryStore;
  logged: string[];
  me(headers: Headers): Promise<unknown>;
}> {
  // A clock that stands still, so that a test is exact to the millisecond.
  const store = new MemoryStore({ now: () => Date.UTC(2030, 0, 1) });
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  @Module({
    imports: [SessionModule.forRoot({ secret: 'app', store, logger: { warn: log, error: log }, ...options })],
    controllers: [Account],
  })
  class App {}
  const testing = await Test.createTestingModule({ imports: [App] }).compile();
  const app = testing.createNestApplication({ logger: false });
  await app.init();
  onTestFinished(() => app.close());
  const me = async (headers: Headers): Promise<unknown> => {
    const { body } = await request(app.getHttpServer()).get('/me').set(headers);
    return (body as { user: unknown }).user;
  };
  return { app, store, logged, me };
}

describe('the clock of a MemoryStore', () => {
  it('lets a session live until its idle timeout, and renews it with each request', async () => {
    const { app, store, me } = await start({ idleTimeout: 30 * MINUTE });
    const { headers } = await loginAs(app, { user: 'ann' });
    for (let times = 0; times < 3; times++) {
      store.advance(29 * MINUTE);
      expect(await me(headers)).toBe('ann');
    }
    store.advance(30 * MINUTE - 1);
    expect(await me(headers)).toBe('ann');
    store.advance(30 * MINUTE);
    expect(await me(headers)).toBeNull();
  });

  it('ends a session at its absolute timeout, however often it is used', async () => {
    const { app, store, me } = await start({ idleTimeout: 30 * MINUTE, absoluteTimeout: 60 * MINUTE });
    const { headers } = await loginAs(app, { user: 'ann' });
    for (let times = 0; times < 2; times++) {
      store.advance(25 * MINUTE);
      expect(await me(headers)).toBe('ann');
    }
    store.advance(10 * MINUTE);
    expect(await me(headers)).toBeNull();
    expect(await app.get(SessionService).countAll()).toBe(0);
  });

  it('decides which sessions a list, a count and a clear find', async () => {
    const { app, store } = await start({});
    const sessions = app.get(SessionService);
    await loginAs(app, {}, { groups: ['g'], maxAge: MINUTE });
    const { session } = await loginAs(app, {}, { groups: ['g'], maxAge: 3 * MINUTE });
    store.advance(2 * MINUTE);
    expect((await sessions.page({ group: 'g' })).views.map(({ id }) => id)).toEqual([session.id]);
    expect(await sessions.count('g')).toBe(1);
    store.advance(MINUTE);
    expect(await sessions.clearGroup('g')).toBe(0);
  });

  it('makes a rotation due, and ends its grace', async () => {
    const { app, store, me } = await start({ rotateAfter: 15 * MINUTE });
    const { headers } = await loginAs(app, { user: 'ann' });
    store.advance(16 * MINUTE);
    const rotated = await request(app.getHttpServer()).get('/me').set(headers);
    const cookie = (rotated.headers['set-cookie'] as unknown as string[])[0]!.split(';')[0]!;
    expect(cookie).not.toBe(headers['cookie']);
    expect(await me({ cookie })).toBe('ann');
    expect(await me(headers)).toBe('ann');
    store.advance(15 * MINUTE);
    expect(await me(headers)).toBeNull();
    expect(await me({ cookie })).toBe('ann');
  });

  it('is no reason to warn that clocks differ', async () => {
    const { app, store, logged, me } = await start({});
    const { headers } = await loginAs(app, { user: 'ann' });
    store.advance(60 * MINUTE);
    expect(await me(headers)).toBe('ann');
    expect(logged).toEqual([]);
  });

  it('can stand still, and starts at any time', async () => {
    const store = new MemoryStore({ now: () => Date.UTC(2030, 0, 1) });
    expect(store.now()).toBe(Date.UTC(2030, 0, 1));
    store.advance(MINUTE);
    expect(store.now()).toBe(Date.UTC(2030, 0, 1, 0, 1));
  });

  it.each([-1, 0.5, NaN, Infinity, '1'])('is not moved by %s', (milliseconds) => {
    expect(() => new MemoryStore().advance(milliseconds as number)).toThrow('a clock does not go back');
  });
});

describe('a MemoryStore', () => {
  it('shares nothing with another one', async () => {
    const one = await start({});
    const other = await start({});
    const { headers } = await loginAs(one.app, { user: 'ann' });
    expect(await one.me(headers)).toBe('ann');
    expect(await other.me(headers)).toBeNull();
  });

  it('has no sessions after it was closed, and can be opened again', async () => {
    const store = new MemoryStore();
    await store.open();
    const id = 'an id';
    const data = Object.create(null) as Record<string, string>;
    const now = store.now();
    await store.create({ id, secretHash: 'h', data, groups: [], createdAt: now, expiresAt: now + MINUTE });
    expect(await store.count()).toBe(1);
    await store.close();
    await expect(store.read(id)).rejects.toThrow(SessionStoreError);
    await store.open();
    expect(await store.read(id)).toBeUndefined();
    await store.close();
  });

  it('has a feed, so that the option cache works', async () => {
    const { app, store, me } = await start({ cache: true });
    const events: SessionFeedEvent['type'][] = [];
    const watch = await store.watch(({ type }) => void events.push(type));
    const { headers, session } = await loginAs(app, { user: 'ann' });
    expect(await me(headers)).toBe('ann');
    expect(await app.get(SessionService).destroy(session.id)).toBe(true);
    expect(await me(headers)).toBeNull();
    expect(events).toContain('ended');
    watch.close();
  });

  it('rejects options that do not exist', () => {
    expect(() => new MemoryStore({ name: 'a' } as object)).toThrow('Valid options: now');
    expect(() => new MemoryStore({ now: 1 as never })).toThrow('now must be a function');
  });
});
