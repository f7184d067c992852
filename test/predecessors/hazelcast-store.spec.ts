import { randomUUID } from 'node:crypto';
import { Body, Catch, Controller, Get, Post, type ArgumentsHost } from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter } from '@nestjs/core';
import { HazelcastJsonValue } from 'hazelcast-client';
import { Session, SessionStoreError, type SessionModuleOptions } from 'nestjs-session-stores';
import {
  HazelcastStore,
  type HazelcastStoreOptions,
  type ReplicatedSession,
} from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { connect, type HazelcastClient } from '../hazelcast/client.js';
import type { TestSession } from '../http/app.js';
import { serveNest, startNest, type NestApp } from './nest.app.js';

const QUARTER = 15 * 60_000;
const DAY = 24 * 60 * 60_000;

@Controller()
class AppController {
  /** The handler of the example app. */
  @Get()
  views(@Session() session: TestSession): string {
    if (session['views']) {
      session['views']++;
      return `views: ${session['views']}, expires in: ${session.cookie.maxAge! / 1000}s`;
    }
    session['views'] = 1;
    return 'welcome';
  }

  @Get('data')
  data(@Session() session: TestSession): object {
    return { ...session, cookie: undefined };
  }

  @Post('data')
  write(@Session() session: TestSession, @Body() data: object): string {
    Object.assign(session, data);
    return session.id;
  }

  @Post('touch')
  touch(@Session() session: Session): Promise<void> {
    return session.touch();
  }

  @Post('logout')
  logOut(@Session() session: Session): Promise<void> {
    return session.destroy();
  }
}

class UserBean {
  readonly username: string | null;

  constructor({ data }: ReplicatedSession) {
    this.username = data['username'] ?? null;
  }
}

const cartBean = ({ data }: ReplicatedSession) => ({ items: data['cart']?.length ?? 0 });

let client: HazelcastClient;
beforeAll(async () => {
  client = await connect();
});
afterAll(() => client?.shutdown());

type StoreOptions = Omit<HazelcastStoreOptions, 'config'>;

/** The maps of the README's example of beans, and one more. */
const beans: StoreOptions['maps'] & {} = [
  { mapName: 'Sessions' },
  { mapName: 'MyCustomSessions', bean: UserBean },
  { mapName: 'Carts', bean: cartBean },
];

/** The options of an app whose sessions are its own, unless `store` has a prefix. */
const sessionsIn = (store: StoreOptions, options: Partial<SessionModuleOptions>): SessionModuleOptions => ({
  secret: 'argle bargle',
  store: new HazelcastStore({ client, prefix: randomUUID(), ...store }),
  ...options,
});

function serve(store: StoreOptions = {}, options: Partial<SessionModuleOptions> = {}): Promise<NestApp> {
  return serveNest(sessionsIn(store, options), { controllers: [AppController] });
}

/** What a program with a Hazelcast client finds in a map. */
async function found(mapName: string, key: string): Promise<object | null> {
  const map = await client.getMap<string, HazelcastJsonValue | object>(mapName);
  const value = await map.get(key);
  return value instanceof HazelcastJsonValue ? (JSON.parse(value.toString()) as object) : value;
}

/** How long an entry lives without a write, in milliseconds. */
async function ttlIn(mapName: string, key: string): Promise<number> {
  const entry = await (await client.getMap(mapName)).getEntryView(key);
  return Number(entry!.ttl);
}

describe('hazelcast-store', () => {
  /** The app whose methods are called, and where its sessions are. */
  let app: NestApp;
  const prefix = randomUUID();
  beforeAll(async () => {
    app = await startNest(sessionsIn({ prefix, maps: beans }, {}), { controllers: [AppController] });
  });
  afterAll(() => app?.close());
  const userIn = (id: string | undefined) => found('MyCustomSessions', `${prefix}/${id}`);

  /** Two browsers with a session each, which are the only sessions. */
  async function onlyTwo(): Promise<{ ids: string[]; users: () => Promise<unknown[]> }> {
    await app.sessions.clearAll();
    const browsers = [app.browser(), app.browser()];
    const posts = browsers.map((browser, index) => browser.post('/data', { username: `user ${index}` }));
    const ids = (await Promise.all(posts)).map(({ text }) => text);
    const users = () =>
      Promise.all(browsers.map(async (browser) => (await browser.get('/data')).json()['username']));
    return { ids, users };
  }

  it('the README example runs with its ttl, and with a store that is created before its client has connected', async () => {
    const connecting = connect();
    const own = await serve(
      { client: connecting, maps: [{ mapName: 'Sessions' }] },
      { idleTimeout: QUARTER },
    );
    const browser = own.browser();
    const before = Date.now();
    const id = (await browser.post('/data', { name: 'sid' })).text;
    expect((await browser.get('/data')).json()).toEqual({ name: 'sid' });
    expect((await own.browser().get('/data')).json()).toEqual({});
    const { data, expiresAt } = (await own.sessions.find(id))!;
    expect(data).toEqual({ name: 'sid' });
    expect(expiresAt).toBeGreaterThanOrEqual(before + QUARTER);
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + QUARTER);
    await (await connecting).shutdown();
  });

  it('the example app counts the views of a browser, and shows what is left of its maxAge of a minute', async () => {
    const own = await serve({}, { cookie: { maxAge: 60_000 }, idleTimeout: QUARTER });
    const browser = own.browser();
    expect((await browser.get('/')).text).toBe('welcome');
    const [, views, left] = /^views: (\d+), expires in: (\S+)s$/.exec((await browser.get('/')).text) ?? [];
    expect(views).toBe('2');
    expect(Number(left)).toBeGreaterThan(50);
    expect(Number(left)).toBeLessThanOrEqual(60);
    expect((await own.browser().get('/')).text).toBe('welcome');
  });

  it('mapName names the map that holds the session under its id', async () => {
    const mapName = randomUUID();
    const own = await serve({ prefix: '', maps: [{ mapName }] });
    const id = (await own.browser().post('/data', { a: 1 })).text;
    expect(await found(mapName, id)).not.toBeNull();
    await (await client.getMap(mapName)).destroy();
  });

  it('prefix starts the keys of a store in a map that it shares', async () => {
    const [one, other] = ['sess:', 'other:'].map((start) => start + randomUUID()) as [string, string];
    const apps = [await serve({ prefix: one }), await serve({ prefix: other })] as const;
    const id = (await apps[0].browser().post('/data', { a: 1 })).text;
    expect(await found('Sessions', `${one}/${id}`)).not.toBeNull();
    expect(await apps[0].sessions.countAll()).toBe(1);
    expect(await apps[1].sessions.countAll()).toBe(0);
  });

  it('a session is gone when its ttl is over', async () => {
    const own = await serve({}, { idleTimeout: 300 });
    const browser = own.browser();
    const id = (await browser.post('/data', { a: 1 })).text;
    await eventually(async () => (await own.sessions.find(id)) === undefined);
    expect((await browser.get('/data')).json()).toEqual({});
  });

  it('idleTimeout: Infinity disables the TTL of the session, and its beans last at least 364 days', async () => {
    const own = await serve({ prefix, maps: beans }, { idleTimeout: Infinity });
    const id = (await own.browser().post('/data', { a: 1 })).text;
    const { expiresAt } = (await own.sessions.find(id))!;
    expect(expiresAt).toBe(8.64e15);
    const forever = 2 ** 63;
    expect(await ttlIn('Sessions', `${prefix}/${id}`)).toBe(forever);
    expect(await ttlIn('Carts', `${prefix}/${id}`)).toBeGreaterThan(364 * 24 * 60 * 60_000);
  });

  it.each<[option: string, instead: RegExp]>([
    ['mapName', /Write maps: \[\{ mapName \}\]/],
    ['ttl', /Valid options: client, config, maps, prefix, timeout/],
    ['disableTTL', /Valid options: client, config, maps, prefix, timeout/],
    ['debugPrefix', /Valid options: client, config, maps, prefix, timeout/],
    ['logErrors', /Valid options: client, config, maps, prefix, timeout/],
  ])('the option %s is rejected as unknown', (option, instead) => {
    const options = { client, [option]: true } as HazelcastStoreOptions;
    expect(() => new HazelcastStore(options)).toThrow(`Unknown HazelcastStore option "${option}"`);
    expect(() => new HazelcastStore(options)).toThrow(instead);
  });

  it('an exception filter receives each error of the store, as the function logErrors did', async () => {
    const broken = await connect();
    const errors: SessionStoreError[] = [];
    @Catch(SessionStoreError)
    class LogErrors extends BaseExceptionFilter {
      override catch(error: SessionStoreError, host: ArgumentsHost): void {
        errors.push(error);
        super.catch(error, host);
      }
    }
    const own = await serveNest(sessionsIn({ client: broken }, {}), {
      controllers: [AppController],
      providers: [{ provide: APP_FILTER, useClass: LogErrors }],
    });
    const browser = own.browser();
    await browser.post('/data', { a: 1 });
    await broken.shutdown();
    expect((await browser.get('/data')).status).toBe(503);
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining('read: the client has shut down and does not reconnect'),
    ]);
  });

  it('set: assigned properties are stored under the session id, beside the others', async () => {
    const browser = app.browser();
    const id = (await browser.post('/data', { name: 'sid', secure: true })).text;
    await browser.post('/data', { name: 'other' });
    expect((await app.sessions.find(id))!.data).toEqual({ name: 'other', secure: true });
  });

  it('get: SessionService.find resolves to a session, or to undefined', async () => {
    const { ids } = await onlyTwo();
    expect(await app.sessions.find(ids[1]!)).toMatchObject({ id: ids[1], data: { username: 'user 1' } });
    expect(await app.sessions.find('xxx')).toBeUndefined();
  });

  it('touch: session.touch renews the expiry in all maps, and leaves the data as it is', async () => {
    const browser = app.browser();
    const id = (await browser.post('/data', { username: 'ada' })).text;
    const before = (await app.sessions.find(id))!.expiresAt;
    await eventually(() => Date.now() > before - DAY);
    await browser.post('/touch');
    const { data, expiresAt } = (await app.sessions.find(id))!;
    expect(expiresAt).toBeGreaterThan(before);
    expect(data).toEqual({ username: 'ada' });
    expect(await userIn(id)).toMatchObject({ username: 'ada', expiresAt });
  });

  it('destroy: SessionService.destroy removes one session from all maps', async () => {
    const { ids, users } = await onlyTwo();
    expect(await userIn(ids[0])).not.toBeNull();
    expect(await app.sessions.destroy(ids[0]!)).toBe(true);
    expect(await users()).toEqual([undefined, 'user 1']);
    expect(await userIn(ids[0])).toBeNull();
  });

  it('all: SessionService.listAll returns every session', async () => {
    const { ids } = await onlyTwo();
    const listed: string[] = [];
    for await (const { id } of app.sessions.listAll()) listed.push(id);
    expect(listed.toSorted()).toEqual(ids.toSorted());
  });

  it('length: SessionService.countAll resolves to the number of sessions', async () => {
    await onlyTwo();
    expect(await app.sessions.countAll()).toBe(2);
  });

  it('clear: SessionService.clearAll removes every session from all maps', async () => {
    const { ids, users } = await onlyTwo();
    expect(await userIn(ids[0])).not.toBeNull();
    expect(await app.sessions.clearAll()).toBe(2);
    expect(await users()).toEqual([undefined, undefined]);
    for (const id of ids) expect(await userIn(id)).toBeNull();
  });

  it('the README example writes what each bean makes of a session into its map, under the same id', async () => {
    const browser = app.browser();
    const id = (await browser.post('/data', { username: 'myCustomUser', cart: [1, 2] })).text;
    expect(await found('MyCustomSessions', `${prefix}/${id}`)).toMatchObject({ username: 'myCustomUser' });
    expect(await found('Carts', `${prefix}/${id}`)).toMatchObject({ items: 2 });

    await browser.post('/data', { cart: [1, 2, 3] });
    expect(await found('Carts', `${prefix}/${id}`)).toMatchObject({ items: 3 });
    await browser.post('/logout');
    for (const { mapName } of beans.slice(1))
      expect(await found(mapName, `${prefix}/${id}`), mapName).toBeNull();
  });

  it('a bean that returns the data copies whole sessions, as a further map without a bean did', async () => {
    const bean = ({ data }: ReplicatedSession) => ({ ...data });
    const own = await serve({ prefix, maps: [{ mapName: 'Sessions' }, { mapName: 'Copies', bean }] });
    const id = (await own.browser().post('/data', { user: 'ada', cart: [1] })).text;
    expect(await found('Copies', `${prefix}/${id}`)).toMatchObject({ user: 'ada', cart: [1] });
  });
});
