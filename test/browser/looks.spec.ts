import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { LONG, Stage } from './stage.js';
import { DESKTOP, PHONE, expectAccessible, overflows } from './visitor.js';

/** Where the screenshots of the last run are. */
const FOLDER = join(import.meta.dirname, '../../.screenshots');

const DEVICES = [
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0',
  'curl/8.5.0',
];

describe('the pages of the sample app, light and dark, on a desktop and a phone,', () => {
  const stage = new Stage('cluster');
  beforeAll(() => mkdir(FOLDER, { recursive: true }));

  /** Takes a screenshot of each look of the page that is open, and has axe-core check each theme. */
  async function expectGoodLooks(page: Page, name: string): Promise<void> {
    for (const [screen, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.screenshot({ path: join(FOLDER, `${name}-${screen}-${colorScheme}.png`), fullPage: true });
        if (LONG || screen === 'desktop') await expectAccessible(page, `${name}, ${screen}, ${colorScheme}`);
      }
      expect(await overflows(page), `${name} is wider than a ${screen}`).toBe(false);
    }
    await page.setViewportSize(DESKTOP);
    await page.emulateMedia({ colorScheme: 'light' });
  }

  it.runIf(LONG)('are accessible before the sign-in', async () => {
    stage.expected = /status of 404/;
    const { page } = await stage.open();
    for (const [name, path] of [
      ['home', '/'],
      ['sign-in', '/sign-in'],
      ['sign-in-mistake', '/sign-in?problem=input'],
      ['admin-sign-in', '/admin/sign-in'],
      ['not-found', '/nowhere'],
    ] as const) {
      await page.goto(path);
      await expectGoodLooks(page, name);
    }
  });

  it('are accessible in the shop and the account', async () => {
    stage.user = 'Ada';
    const { page } = await stage.signedIn('/shop');
    if (LONG) await expectGoodLooks(page, 'shop-empty');
    for (const product of ['Morning mug', 'Teapot for two']) {
      await page.getByRole('button', { name: `Add ${product}` }).click();
      await page.locator('.lines').getByText(product).waitFor();
    }
    await expectGoodLooks(page, 'shop');

    if (LONG) {
      await page.goto('/account');
      await page.getByText('Only this device.').waitFor();
      await expectGoodLooks(page, 'account-alone');
    }
    for (const userAgent of DEVICES) await stage.device(userAgent);
    await page.goto('/account');
    await page.getByText('4 devices are signed in.').waitFor();
    await page.locator('.device').first().getByText('Rename').click();
    await expectGoodLooks(page, 'account');

    if (!LONG) return;
    await (await stage.device()).post('/logout-everywhere');
    await page.getByRole('dialog').waitFor();
    await page.screenshot({ path: join(FOLDER, 'signed-out.png') });
    await expectAccessible(page, 'the dialog');
  });

  it("are accessible behind the admin's password, and in an outage", async () => {
    stage.expected = /status of 503/;
    const visitor = await stage.open();
    await visitor.openAdmin(stage.password);
    const { page } = visitor;
    if (LONG) {
      await page.getByRole('button', { name: 'Create 1,000 sessions' }).click();
      await page.getByText('1000 demo sessions were created.').waitFor({ timeout: 60_000 });
    }
    await expectGoodLooks(page, 'admin');
    if (!LONG) return;
    await page.goto('/admin/sessions');
    await expectGoodLooks(page, 'sessions');
    await page.goto('/admin/sessions?group=nobody');
    await expectGoodLooks(page, 'sessions-none');

    await page.goto('/admin');
    await page.getByLabel('For how long').selectOption('30 seconds');
    await page.getByRole('button', { name: 'Let it fail' }).click();
    await page.getByText('The store fails for 30 seconds').waitFor();
    // The workers hear of it a moment later.
    await eventually(async () => (await page.goto('/admin/sessions'))?.status() === 503);
    await page.getByRole('heading', { name: 'The store does not respond' }).waitFor();
    await expectGoodLooks(page, 'outage');
  });
});
