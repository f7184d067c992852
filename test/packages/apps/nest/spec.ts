import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SessionStore } from 'nestjs-session-stores';
import session from 'nestjs-session-stores/express';
import { loginAs, MemoryStore } from 'nestjs-session-stores/testing';
import type { AddressInfo } from 'node:net';
import { AppModule } from './app.module.js';

describe('the app', () => {
  const store = new MemoryStore();
  let app: INestApplication;

  beforeAll(async () => {
    const testing = await Test.createTestingModule({ imports: [AppModule] })
      .overrideProvider(SessionStore)
      .useValue(store)
      .compile();
    app = testing.createNestApplication();
    await app.listen(0);
  });
  afterAll(() => app.close());

  it('remembers who logged in', async () => {
    const url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
    const login = await fetch(`${url}/login`, { method: 'POST', body: new URLSearchParams({ user: 'ann' }) });
    const cookie = login.headers.getSetCookie()[0]!.split(';')[0]!;
    const response = await fetch(url, { headers: { cookie } });
    expect(await response.json()).toEqual({ user: 'ann' });
  });

  it('knows a user whom the test kit has logged in, until the session expires', async () => {
    const url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
    const { headers } = await loginAs(app, { user: 'ben' }, { maxAge: 60_000 });
    const me = async () => (await fetch(url, { headers })).json();
    expect(await me()).toEqual({ user: 'ben' });
    store.advance(60_000);
    expect(await me()).toEqual({ user: null });
  });

  it('finds the drop-in for express-session', () => {
    expect(typeof session).toBe('function');
    expect(typeof session.MemoryStore).toBe('function');
  });
});
