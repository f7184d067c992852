import { describe, expect, it } from 'vitest';
import { Test } from '@nestjs/testing';
import { SessionModule, SessionService, SessionTooLargeError } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { serveApp, tokenOf, type Handler } from './http/app.js';

const many = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, at]));

const joinMany = (session: { joinGroup(group: string): unknown }, count: number): void => {
  for (let at = 0; at < count; at++) void session.joinGroup(`g${at}`);
};

const LONG = 'private'.padEnd(513, 'x');

const handlers: Record<string, Handler> = {
  '/start': (session) => void (session['user'] = 'ann'),
  '/get': async (session) => [
    session['user'],
    (await session.groupNames()).length,
    Object.keys(session).length,
  ],
  '/long': (session) => {
    session['user'] = 'ben';
    return session.joinGroup(LONG);
  },
  '/groups': (session) => {
    session['user'] = 'ben';
    joinMany(session, 1001);
  },
  '/properties': (session) => {
    session['user'] = 'ben';
    Object.assign(session, many(10_000));
  },
  '/leave': (session) => session.leaveGroup('g1'),
  '/join': (session) => session.joinGroup('more'),
  '/remove': (session) => void delete session['p1'],
  '/add': (session) => void (session['more'] = 1),
  '/change': (session) => void (session['user'] = 'ben'),
};

describe('the bounds of a session', () => {
  it.each([
    ['/long', 'the name of a group has 513 bytes and may have 512'],
    ['/groups', 'the session would be in 1001 groups and may be in 1000'],
    ['/properties', 'the session would have 10001 properties and may have 10000'],
  ])(
    '%s fails the request with an error that says the limit, and nothing is saved',
    async (path, problem) => {
      const app = await serveApp(handlers);
      const browser = app.browser();
      await browser.get('/start');
      for (const one of [browser, app.browser()]) {
        const response = await one.get(path);
        expect([response.status, response.json()['error']]).toEqual([500, 'SessionTooLargeError']);
        expect(response.json()['message']).toMatch(new RegExp(`^${problem}\\. \\w`));
        expect(response.text).not.toContain('private');
        expect(response.setCookies).toEqual([]);
      }
      expect((await browser.get('/get')).json()).toEqual(['ann', 0, 2]);
      expect(await app.store.count()).toBe(1);
    },
  );

  it('a stored session that exceeds them can be read and changed, and may become smaller but not larger', async () => {
    const app = await serveApp(handlers);
    const browser = app.browser();
    await browser.get('/start');
    const { id } = tokenOf(browser);
    const set = Object.fromEntries(Object.entries(many(10_010)).map(([name, at]) => [name, String(at)]));
    const join = [...Array.from({ length: 1010 }, (_, at) => `g${at}`), LONG];
    await app.store.update((await app.store.read(id))!, { set, join });
    expect((await browser.get('/get')).json()).toEqual(['ann', 1011, 10_012]);
    for (const path of ['/change', '/leave', '/remove'])
      expect((await browser.get(path)).status, path).toBe(200);
    for (const path of ['/join', '/add']) expect((await browser.get(path)).status, path).toBe(500);
    expect((await browser.get('/get')).json()).toEqual(['ben', 1010, 10_011]);
  });

  it('SessionService creates no session that exceeds them, or maxSize with its groups', async () => {
    const store = new ClusterStore({ name: crypto.randomUUID() });
    await store.open();
    const module = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'bounds', store, maxSize: 200_000 })],
    }).compile();
    const sessions = module.get(SessionService);
    const names = (count: number, length: number): string[] =>
      Array.from({ length: count }, (_, at) => `${at}`.padEnd(length, 'x'));
    const attempts = [
      sessions.create({}, { groups: [LONG] }),
      sessions.create({}, { groups: names(1001, 10) }),
      sessions.create(many(10_001)),
      sessions.create({}, { groups: names(500, 500) }),
    ];
    for (const attempt of attempts) await expect(attempt).rejects.toThrow(SessionTooLargeError);
    expect(await sessions.countAll()).toBe(0);
    await module.close();
  });
});
