import { Test } from '@nestjs/testing';
import { SessionModule, SessionService, type Session } from 'nestjs-session-stores';
import { describe, expect, it } from 'vitest';
import { serveApp, type TestSession } from './http/app.js';
import { everyStore } from './stores/every.store.js';

const handlers = {
  '/set/one': (session: TestSession) => (session as Session).setGroupName('one'),
  '/set/two': (session: TestSession) => (session as Session).setGroupName('two'),
  '/join': (session: TestSession) => (session as Session).joinGroup('joined'),
  '/groups': (session: TestSession) => (session as Session).groupNames(),
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
