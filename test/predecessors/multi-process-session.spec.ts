import { randomUUID } from 'node:crypto';
import { Controller, Get, Inject, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import {
  headerIdentity,
  Session,
  SessionService,
  type SessionIdentity,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it } from 'vitest';
import type { TestSession } from '../http/app.js';
import type { Browser } from '../http/browser.js';
import { serveNest, type NestApp } from './nest.app.js';

const WEEK = 7 * 24 * 60 * 60;

@Controller()
class SessionController {
  constructor(@Inject(SessionService) private readonly sessions: SessionService) {}

  @Get('set-session')
  set(@Session() session: TestSession, @Query('key') key: string, @Query('value') value: string): string {
    session[key] = value;
    return `${key}=${value}`;
  }

  @Get('get-session')
  get(@Session() session: TestSession, @Query('key') key: string): string | undefined {
    return session[key];
  }

  @Get('del-session')
  del(@Session() session: TestSession, @Query('key') key: string): void {
    delete session[key];
  }

  @Get('clear-session')
  clear(@Session() session: Session, @Res() res: Response): void {
    session.destroy((err) => {
      if (!err) res.send('session cleared');
    });
  }

  @Post('group')
  async join(@Session() session: Session, @Query('name') name: string): Promise<string> {
    await session.setGroupName(name);
    return session.id;
  }

  @Post('clear-group')
  async clearGroup(@Query('name') name: string): Promise<number> {
    return this.sessions.clearGroupByName(name);
  }

  @Get('same')
  same(@Req() req: Request, @Session() session: Session): boolean {
    return (req.session as unknown) === session;
  }
}

const redisOptions = (): { host: string; port: number } => {
  const { hostname, port } = new URL(inject('redis').url);
  return { host: hostname, port: Number(port) };
};

const serve = (options: Partial<SessionModuleOptions> = {}): Promise<NestApp> =>
  serveNest(
    {
      secret: 'guess me if you can',
      store: new RedisStore({ redisOptions: redisOptions(), prefix: `${randomUUID()}:` }),
      ...options,
    },
    { controllers: [SessionController] },
  );

const set = (browser: Browser, key: string, value: string) =>
  browser.get(`/set-session?key=${key}&value=${value}`);
const get = async (browser: Browser, key: string): Promise<string> =>
  (await browser.get(`/get-session?key=${key}`)).text;

describe('multi-process-session', () => {
  it('the README example sets, gets and clears a session, with the default options written out', async () => {
    const app = await serve({ cookie: { maxAge: WEEK * 1000 }, rolling: true });
    const browser = app.browser();
    expect(await get(browser, 'foo')).toBe('');
    expect((await set(browser, 'foo', 'bar')).text).toBe('foo=bar');
    expect(await get(browser, 'foo')).toBe('bar');
    expect(await get(app.browser(), 'foo')).toBe('');
    expect((await browser.get('/clear-session')).text).toBe('session cleared');
    expect(await get(browser, 'foo')).toBe('');
  });

  it('two apps with the same redisOptions share the session of a browser', async () => {
    const prefix = `${randomUUID()}:`;
    const store = () => new RedisStore({ redisOptions: redisOptions(), prefix });
    const [one, other] = [await serve({ store: store() }), await serve({ store: store() })];
    const browser = one.browser();
    await set(browser, 'foo', 'bar');
    const elsewhere = other.browser();
    elsewhere.cookies.set('sid', browser.cookies.get('sid')!);
    expect(await get(elsewhere, 'foo')).toBe('bar');
  });

  it('set, get and del: values are properties of the session', async () => {
    const app = await serve();
    const browser = app.browser();
    await set(browser, 'foo', 'bar');
    await set(browser, 'user', 'ada');
    await browser.get('/del-session?key=foo');
    expect(await get(browser, 'foo')).toBe('');
    expect(await get(browser, 'user')).toBe('ada');
  });

  it('req.session is the session that @Session() injects', async () => {
    const app = await serve();
    expect((await app.browser().get('/same')).text).toBe('true');
  });

  it('expire: cookie.maxAge is the lifetime of cookie and session, in milliseconds', async () => {
    const app = await serve({ cookie: { maxAge: WEEK * 1000 } });
    const browser = app.browser();
    const before = Date.now();
    const { setCookies } = await set(browser, 'foo', 'bar');
    expect(setCookies).toEqual([expect.stringMatching(new RegExp(`^sid=.+; Max-Age=${WEEK};`))]);
    const { views } = await app.sessions.pageAll();
    expect(views.map(({ data }) => data)).toEqual([{ foo: 'bar' }]);
    expect(Math.abs(views[0]!.expiresAt - before - WEEK * 1000)).toBeLessThan(10_000);
  });

  it('refresh: rolling sends the cookie with each response, even if the request only reads', async () => {
    const app = await serve({ cookie: { maxAge: WEEK * 1000 }, rolling: true });
    const browser = app.browser();
    await set(browser, 'foo', 'bar');
    for (let times = 0; times < 2; times++) {
      const { setCookies } = await browser.get('/get-session?key=foo');
      expect(setCookies).toEqual([expect.stringContaining(`Max-Age=${WEEK};`)]);
    }
  });

  it('a cookie that another secret signed has no session', async () => {
    const prefix = `${randomUUID()}:`;
    const store = () => new RedisStore({ redisOptions: redisOptions(), prefix });
    const [one, other] = [
      await serve({ store: store() }),
      await serve({ store: store(), secret: 'another' }),
    ];
    const browser = one.browser();
    await set(browser, 'foo', 'bar');
    const elsewhere = other.browser();
    elsewhere.cookies.set('sid', browser.cookies.get('sid')!);
    expect(await get(elsewhere, 'foo')).toBe('');
  });

  it('type token: headerIdentity gives the client a token in a header, and no cookie', async () => {
    const app = await serve({ identities: [headerIdentity()] });
    const browser = app.browser();
    const { headers, setCookies } = await set(browser, 'foo', 'bar');
    expect(setCookies).toEqual([]);
    const token = { headers: { 'x-auth-token': String(headers['x-auth-token']) } };
    expect((await browser.get('/get-session?key=foo', token)).text).toBe('bar');
    expect(await get(browser, 'foo')).toBe('');
  });

  it('type token: an identity of your own reads the token from the parameter Token of the query', async () => {
    const query: SessionIdentity = {
      name: 'Token',
      header: 'x-token',
      get(req) {
        const token = new URL(req.url!, 'http://any').searchParams.get('Token');
        return token === null ? undefined : [token];
      },
      set: (res, token) => void res.setHeader('x-token', token),
      remove: (res) => void res.setHeader('x-token', ''),
    };
    const app = await serve({ identities: [query] });
    const browser = app.browser();
    const { headers } = await set(browser, 'foo', 'bar');
    const token = encodeURIComponent(String(headers['x-token']));
    expect((await browser.get(`/get-session?key=foo&Token=${token}`)).text).toBe('bar');
    expect(await get(browser, 'foo')).toBe('');
  });

  it('setGroupName and clearGroupByName: a request clears every session of a group, and no other', async () => {
    const app = await serve();
    const [one, too, other] = [app.browser(), app.browser(), app.browser()];
    const browsers = [one, too, other];
    for (const browser of browsers) await set(browser, 'foo', 'bar');
    await one.post('/group?name=users');
    await too.post('/group?name=users');
    await other.post('/group?name=admins');
    expect((await other.post('/clear-group?name=users')).text).toBe('2');
    expect(await Promise.all(browsers.map((browser) => get(browser, 'foo')))).toEqual(['', '', 'bar']);
    expect((await other.post('/clear-group?name=nobody')).text).toBe('0');
  });
});
