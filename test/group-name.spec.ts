import { Test } from '@nestjs/testing';
import { SessionModule, SessionService, type Session } from 'nestjs-session-stores';
import { describe, expect, it } from 'vitest';
import type { Request } from 'express';
import { dataOf, serveApp, tokenOf, type TestSession } from './http/app.js';
import { everyStore } from './stores/every.store.js';

const handlers = {
  '/set/one': (session: TestSession) => (session as Session).setGroupName('one'),
  '/set/two': (session: TestSession) => (session as Session).setGroupName('two'),
  '/join': (session: TestSession) => (session as Session).joinGroup('joined'),
  '/groups': (session: TestSession) => (session as Session).groupNames(),
  '/write/:value': (session: TestSession, req: Request) => void (session['groupName'] = req.params['value']),
  '/remember': (session: TestSession) => void (session.cookie.maxAge = 7_200_000),
  '/forget': (session: TestSession) => void (session.cookie.maxAge = null),
  '/lifetime': (session: TestSession) => session.cookie.originalMaxAge,
  '/data': dataOf,
};

describe.each(everyStore)('the methods of multi-process-session, with STORE=%s', (_, make) => {
  async function start() {
    const store = make();
    const app = await serveApp(handlers, { store });
    const module = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'group-name', store })],
    }).compile();
    return { app, sessions: module.get(SessionService) };
  }

  it('setGroupName joins a group and leaves only the group that it joined before', async () => {
    const { app, sessions } = await start();
    const browser = app.browser();
    await browser.post('/join');
    await browser.post('/set/one');
    await browser.post('/set/one');
    expect((await browser.get('/groups')).json<string[]>().toSorted()).toEqual(['joined', 'one']);
    await browser.post('/set/two');
    expect((await browser.get('/groups')).json<string[]>().toSorted()).toEqual(['joined', 'two']);
    expect(await sessions.count('one')).toBe(0);
    expect(await sessions.count('two')).toBe(1);
  });

  it('setGroupName keeps the name of its group out of the data, and shows it nowhere', async () => {
    const { app, sessions } = await start();
    const browser = app.browser();
    await browser.post('/join');
    await browser.post('/set/one');
    expect((await browser.get('/data')).json()).toEqual({});
    for (const value of ['joined', 'other']) {
      await browser.post(`/write/${value}`);
      expect((await browser.get('/data')).json()).toEqual({ groupName: value });
      expect((await browser.post('/set/two')).setCookies).toEqual([]);
      expect((await browser.get('/groups')).json<string[]>().toSorted()).toEqual(['joined', 'two']);
      await browser.post('/set/one');
      expect((await browser.get('/groups')).json<string[]>().toSorted()).toEqual(['joined', 'one']);
    }
    const view = await sessions.find(tokenOf(browser).id);
    expect(view).toMatchObject({ data: { groupName: 'other' } });
    expect(Object.keys(view!.data)).toEqual(['groupName']);
  });

  it('setGroupName and the attributes of the cookie do not affect each other', async () => {
    const { app } = await start();
    const browser = app.browser();
    await browser.post('/set/one');
    const remembered = await browser.post('/remember');
    expect(remembered.setCookies[0]).toMatch(/Max-Age=7200;/);
    await browser.post('/set/two');
    expect((await browser.get('/groups')).json()).toEqual(['two']);
    expect((await browser.get('/lifetime')).json()).toBe(7_200_000);
    await browser.post('/forget');
    expect((await browser.get('/lifetime')).json()).toBeNull();
    await browser.post('/set/one');
    expect((await browser.get('/groups')).json()).toEqual(['one']);
  });

  it('clearGroupByName destroys the sessions of a group, and no others', async () => {
    const { app, sessions } = await start();
    const [one, too, two] = [app.browser(), app.browser(), app.browser()];
    for (const browser of [one, too]) await browser.post('/set/one');
    await two.post('/set/two');
    expect(await sessions.clearGroupByName('one')).toBe(2);
    expect((await one.get('/groups')).json()).toEqual([]);
    expect((await two.get('/groups')).json()).toEqual(['two']);
    await expect(sessions.clearGroupByName(undefined as never)).rejects.toThrow(TypeError);
  });
});
