import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { Browser as Client } from '../http/browser.js';
import { BROWSED_STORES, LONG, Stage } from './stage.js';
import type { Visitor } from './visitor.js';

const click = (page: Page, name: string): Promise<void> =>
  page.getByRole('button', { name, exact: true }).click();

describe.each(BROWSED_STORES)("the admin's pages of the sample app, STORE=%s,", (store) => {
  const stage = new Stage(store);

  async function admin(): Promise<Visitor> {
    const visitor = await stage.open();
    await visitor.openAdmin(stage.password);
    return visitor;
  }

  it.runIf(LONG)('open with the password that the app printed, and with no other', async () => {
    const { page } = await stage.open();
    await page.goto('/admin');
    await page.getByLabel('Password').fill(`${stage.password}x`);
    await click(page, 'Open');
    await page.getByText('That is not the password.').waitFor();
    await page.getByLabel('Password').fill(stage.password);
    await click(page, 'Open');
    await page.getByRole('link', { name: 'admins' }).waitFor();
    await click(page, 'Leave');
    await page.goto('/admin');
    expect(new URL(page.url()).pathname).toBe('/admin/sign-in');
  });

  it.runIf(LONG)('end one session, or a group of them', async () => {
    const [visitor, others] = await Promise.all([
      admin(),
      Promise.all(Array.from({ length: 3 }, () => stage.device())),
    ]);
    const { page } = visitor;
    const list = `/admin/sessions?group=${encodeURIComponent(`user:${stage.user}`)}`;
    await page.goto(list);
    expect(await page.locator('tbody tr').count()).toBe(3);
    await page.getByRole('button', { name: 'End the session of' }).first().click();
    await page.getByText('The session is ended.').waitFor();
    await page.goto(list);
    expect(await page.locator('tbody tr').count()).toBe(2);
    await click(page, 'End all of them');
    await page.getByText('2 sessions are ended.').waitFor();
    const statuses = await Promise.all(others.map(async (other) => (await other.get('/me')).status));
    expect(statuses).toEqual([401, 401, 401]);
  });

  it('create a thousand sessions, show the progress, page through them, and end them', async () => {
    const { page } = await admin();
    // The second part waits until the first was seen: all of them may take less time than the browser to look twice.
    let goOn!: () => void;
    const isSeen = new Promise<void>((resolve) => (goOn = resolve));
    let parts = 0;
    await page.route('**/admin/demo/some', async (route) => {
      if (++parts > 1) await isSeen;
      await route.continue();
    });
    // Without its script, the form creates them all at once.
    await page.waitForLoadState();
    await click(page, 'Create 1,000 sessions');
    await page.getByText(/[1-9]00 of 1000/).waitFor();
    goOn();
    await page.getByText('1000 demo sessions were created.').waitFor({ timeout: 60_000 });
    const group = page.locator('.groups li').filter({ has: page.getByRole('link', { name: 'demo' }) });
    expect(await group.locator('.count').textContent()).toBe('1,000');

    await group.getByRole('link').click();
    const seen = new Set<string>();
    for (let turn = 0; turn < 3; turn++) {
      await page.getByRole('heading', { name: 'Sessions of demo' }).waitFor();
      for (const id of await page.locator('tbody [name=id]').all()) seen.add(await id.inputValue());
      await page.goto((await page.getByRole('link', { name: 'Next page' }).getAttribute('href'))!);
    }
    expect(seen.size).toBeGreaterThan(50);
    await page.goto('/admin');
    await click(page, 'End all sessions of demo');
    await page.getByText('1000 sessions are ended.').waitFor();
  });

  it('let the store fail: both workers respond with a page that is a 503, which recovers by itself', async () => {
    // The pages of an outage are responses with an error status, which a browser logs.
    stage.expected = /status of 503/;
    const { page, context } = await admin();
    const client = new Client(stage.app.url);
    const [cookie] = await context.cookies();
    client.cookies.set(cookie!.name, cookie!.value);
    const headers = { accept: 'text/html' };

    await page.getByLabel('For how long').selectOption('5 seconds');
    await click(page, 'Let it fail');
    await page.getByText('The store fails for 5 seconds, in all workers.').waitFor();
    await eventually(async () => expect((await client.get('/shop', { headers })).status).toBe(503));
    // A busy primary may give all of some connections to one worker.
    await eventually(async () => {
      const others = await Promise.all(Array.from({ length: 20 }, () => client.get('/shop', { headers })));
      expect([...new Set(others.map(({ status }) => status))]).toEqual([503]);
      expect(new Set(others.map(({ text }) => /worker <?\D*(\d)/.exec(text)?.[1])).size).toBe(2);
    });
    const probe = new Client(stage.app.url);
    const [failed, ready, live] = await Promise.all([
      page.goto('/admin'),
      probe.get('/health/ready'),
      probe.get('/health/live'),
    ]);

    expect(failed!.status()).toBe(503);
    expect(failed!.headers()['retry-after']).toBe('1');
    expect(failed!.headers()['cache-control']).toBe('no-store');
    await page.getByRole('heading', { name: 'The store does not respond' }).waitFor();
    await page.getByRole('heading', { name: 'Behind the counter' }).waitFor();
    expect((await context.request.get('/admin')).status()).toBe(200);

    expect(ready.status).toBe(503);
    expect(ready.json()).toMatchObject({ details: { sessions: { status: 'down' } } });
    expect(live.status).toBe(200);
  });
});
