import { randomUUID } from 'node:crypto';
import { Body, Controller, Get, Post } from '@nestjs/common';
import { createConnection, type Connection } from 'mongoose';
import { Session, type SessionModuleOptions } from 'nestjs-session-stores';
import { MongoStore, type MongoStoreOptions } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../eventually.js';
import type { TestSession } from '../http/app.js';
import { serveNest, startNest, type NestApp } from './nest.app.js';

const HOUR = 3600;

@Controller()
class AppController {
  /** The page of the example app. */
  @Get()
  count(@Session() session: TestSession): string {
    if ('count' in session) session['count']++;
    else session['count'] = 0;
    const { count } = session;
    return `It's been ${count} time${count > 1 ? 's' : ''} you come here.`;
  }

  @Post('data')
  write(@Session() session: TestSession, @Body() data: object): string {
    Object.assign(session, data);
    return session.id;
  }

  @Get('data')
  data(@Session() session: TestSession): object {
    return { ...session, cookie: undefined };
  }

  @Post('remember')
  remember(@Session() session: TestSession): string {
    session['remembered'] = true;
    session.cookie.expires = new Date(Date.now() + 2 * HOUR * 1000);
    return session.id;
  }

  @Post('logout')
  logOut(@Session() session: Session): Promise<void> {
    return session.destroy();
  }
}

const optionsOf = (
  store: Partial<MongoStoreOptions>,
  some: Partial<SessionModuleOptions> = {},
): SessionModuleOptions => ({
  secret: 'plokiploki',
  store: new MongoStore({ collection: randomUUID(), ...store }),
  ...some,
});

describe('mongoose-express-session-store', () => {
  let connection: Connection;
  /** With a given connection, which opens faster than one from a `uri`. */
  let app: NestApp;
  beforeAll(async () => {
    connection = await createConnection(inject('mongo').url).asPromise();
    const options = optionsOf({ connection }, { idleTimeout: HOUR * 1000 });
    app = await startNest(options, { controllers: [AppController] });
  });
  afterAll(async () => {
    await app?.close();
    await connection?.close();
  });

  const near = (instant: number, seconds: number): void => {
    expect(Math.abs(instant - Date.now() - seconds * 1000)).toBeLessThan(20_000);
  };

  it('the README example counts the visits of a browser, with ttl, uri and collection', async () => {
    const { url: uri } = inject('mongo');
    const collection = `sessions_${randomUUID()}`;
    const options = optionsOf({ uri, collection }, { idleTimeout: HOUR * 1000 });
    const example = await serveNest(options, { controllers: [AppController] });
    const browser = example.browser();
    const visit = async () => (await browser.get('/')).text;
    expect(await visit()).toBe("It's been 0 time you come here.");
    expect(await visit()).toBe("It's been 1 time you come here.");
    expect(await visit()).toBe("It's been 2 times you come here.");
    expect((await example.browser().get('/')).text).toBe("It's been 0 time you come here.");

    const { views } = await example.sessions.pageAll();
    expect(views.map(({ data }) => data['count']).toSorted()).toEqual([0, 2]);
    for (const { expiresAt } of views) near(expiresAt, HOUR);
    const documents = await connection.collection(collection).find({}).toArray();
    expect(documents.map(({ _id }) => String(_id)).toSorted()).toEqual(views.map(({ id }) => id).toSorted());
  });

  it('a session is gone when its ttl is over, before MongoDB removes its document', async () => {
    const short = await serveNest(optionsOf({ connection }, { idleTimeout: 300 }), {
      controllers: [AppController],
    });
    const id = (await short.browser().post('/data', { a: 1 })).text;
    await eventually(async () => (await short.sessions.find(id)) === undefined);
    expect(await short.sessions.countAll()).toBe(0);
  });

  it('without a ttl, cookie.maxAge is the lifetime of a session', async () => {
    const other = await serveNest(optionsOf({ connection }, { cookie: { maxAge: HOUR * 1000 } }), {
      controllers: [AppController],
    });
    const id = (await other.browser().post('/data', { a: 1 })).text;
    near((await other.sessions.find(id))!.expiresAt, HOUR);
  });

  it('session.cookie.expires is when a session expires, if a handler sets it', async () => {
    const id = (await app.browser().post('/remember')).text;
    near((await app.sessions.find(id))!.expiresAt, 2 * HOUR);
  });

  it('get: SessionService.find resolves to a session, or to undefined', async () => {
    const id = (await app.browser().post('/data', { a: { b: [null] } })).text;
    expect(await app.sessions.find(id)).toMatchObject({ id, data: { a: { b: [null] } } });
    expect(await app.sessions.find('none')).toBeUndefined();
  });

  it('set: assigned properties create a session, and then update it', async () => {
    const browser = app.browser();
    const id = (await browser.post('/data', { a: 1, b: 2 })).text;
    expect((await browser.post('/data', { b: 3 })).text).toBe(id);
    expect((await app.sessions.find(id))!.data).toEqual({ a: 1, b: 3 });
  });

  it('set without a session: session.destroy ends it', async () => {
    const browser = app.browser();
    const id = (await browser.post('/data', { a: 1 })).text;
    await browser.post('/logout');
    expect(await app.sessions.find(id)).toBeUndefined();
    expect((await browser.get('/data')).json()).toEqual({});
  });

  it('destroy: SessionService.destroy ends the session with an id', async () => {
    const browser = app.browser();
    const id = (await browser.post('/data', { a: 1 })).text;
    expect(await app.sessions.destroy(id)).toBe(true);
    expect((await browser.get('/data')).json()).toEqual({});
  });

  it('length and clear: SessionService counts all sessions, and ends them', async () => {
    await app.sessions.clearAll();
    const browsers = [app.browser(), app.browser(), app.browser()];
    await Promise.all(browsers.map((browser) => browser.post('/data', { a: 1 })));
    expect(await app.sessions.countAll()).toBe(3);
    expect(await app.sessions.clearAll()).toBe(3);
    expect(await app.sessions.countAll()).toBe(0);
    expect((await browsers[0]!.get('/data')).json()).toEqual({});
  });
});
