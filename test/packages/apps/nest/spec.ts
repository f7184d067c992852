import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SessionStore } from 'nestjs-session-stores';
import session from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import type { AddressInfo } from 'node:net';
import { AppModule } from './app.module.js';

describe('the app', () => {
  let app: INestApplication;

  beforeAll(async () => {
    const testing = await Test.createTestingModule({ imports: [AppModule] })
      .overrideProvider(SessionStore)
      .useValue(new ClusterStore({ name: 'of the spec' }))
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

  it('finds the drop-in for express-session', () => {
    expect(typeof session).toBe('function');
    expect(typeof session.MemoryStore).toBe('function');
  });
});
