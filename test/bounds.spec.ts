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
  '/get': async (session) => ({
    user: session['user'],
    groups: (await session.groupNames()).length,
    // Without `cookie`.
    properties: Object.keys(session).length - 1,
  }),
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
    ['/long', 'a group name has 513 bytes; the maximum is 512'],
    ['/groups', 'the session would be in 1001 groups; the maximum is 1000'],
    ['/properties', 'the session would have 10001 properties; the maximum is 10000'],
  ])(
    '%s fails the request with an error that names the limit, and nothing is saved',
    async (path, problem) => {
      const app = await serveApp(handlers);
      const browser = app.browser();
      await browser.get('/start');
      for (const one of [browser, app.browser()]) {
        const response = await one.get(path);
        expect(response).toMatchObject({ status: 500, setCookies: [] });
        expect(response.json()['error']).toBe('SessionTooLargeError');
        expect(response.json()['message']).toMatch(new RegExp(`^${problem}\\. \\w`));
        expect(response.text).not.toContain('private');
      }
      expect((await browser.get('/get')).json()).toEqual({ user: 'ann', groups: 0, properties: 1 });
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
    expect((await browser.get('/get')).json()).toEqual({ user: 'ann', groups: 1011, properties: 10_011 });
    for (const path of ['/change', '/leave', '/remove'])
      expect((await browser.get(path)).status, path).toBe(200);
    for (const path of ['/join', '/add']) expect((await browser.get(path)).status, path).toBe(500);
    expect((await browser.get('/get')).json()).toEqual({ user: 'ben', groups: 1010, properties: 10_010 });
  });

  const names = (count: number, length: number): string[] =>
    Array.from({ length: count }, (_, at) => `${at}`.padEnd(length, 'x'));

  it.each<[string, Parameters<SessionService['create']>]>([
    ['a group name that is too long', [{}, { groups: [LONG] }]],
    ['too many groups', [{}, { groups: names(1001, 10) }]],
    ['too many properties', [many(10_001)]],
    ['groups whose names exceed maxSize', [{}, { groups: names(500, 500) }]],
  ])('SessionService creates no session with %s', async (_, parameters) => {
    const store = new ClusterStore({ name: crypto.randomUUID() });
    await store.open();
    const module = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'bounds', store, maxSize: 200_000 })],
    }).compile();
    const sessions = module.get(SessionService);
    await expect(sessions.create(...parameters)).rejects.toThrow(SessionTooLargeError);
    expect(await sessions.countAll()).toBe(0);
    await module.close();
  });
});
