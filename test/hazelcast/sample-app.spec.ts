import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { SampleApp } from '../e2e/sample-app.js';
import { Browser } from '../http/browser.js';
import { plainClient } from '../servers/hazelcast.client.mjs';

let app: SampleApp;
let stranger: Awaited<ReturnType<typeof plainClient>>;

beforeAll(async () => {
  [app, stranger] = await Promise.all([
    SampleApp.start({ STORE: 'hazelcast' }),
    plainClient(inject('hazelcast')),
  ]);
});
afterAll(() => Promise.all([app?.stop(), stranger?.shutdown()]));

it('a plain Hazelcast client can read the visitors of the sample app from its replica map', async () => {
  const visitors = await stranger.getMap<string, { user: string; visits: number }>('Visitors');
  const user = `ada ${randomUUID()}`;
  const here = async () => [...(await visitors.values())].filter((visitor) => visitor.user === user);

  const browser = new Browser(app.url);
  await browser.post('/login', { user });
  expect(await here()).toEqual([
    { user, visits: expect.any(Number), version: expect.any(Number), expiresAt: expect.any(Number) },
  ]);
  const [visitor] = await here();
  await browser.get('/me');
  expect(await here()).toMatchObject([{ user, visits: visitor!.visits + 1 }]);
  await browser.post('/logout');
  expect(await here()).toEqual([]);
});
