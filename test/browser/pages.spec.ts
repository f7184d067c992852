import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { BROWSED_STORES, LONG, Stage } from './stage.js';
import { PHONE, overflows } from './visitor.js';

/** How many devices a user with many devices has. */
const MANY = 500;
/** That of the sample app, in milliseconds. */
const RECHECK = 2_000;
/** How much later than that a page of a busy machine may show it, in milliseconds. */
const SLACK = 3_000;

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';

const click = (page: Page, name: string): Promise<void> =>
  page.getByRole('button', { name, exact: true }).click();
const pathOf = (page: Page): string => new URL(page.url()).pathname;
const devices = (page: Page) => page.locator('.device');

describe.each(BROWSED_STORES)('the pages of the sample app, STORE=%s,', (store) => {
  const stage = new Stage(store);

  it('lead from the start page to the shop, and name the worker that answered', async () => {
    const { page } = await stage.open();
    await page.goto('/');
    await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel('Name').fill('   ');
    await page.keyboard.press('Enter');
    await page.getByText('Enter a name of 1 to 64 characters.').waitFor();
    expect(await page.getByLabel('Name').getAttribute('aria-describedby')).toBe('mistake');
    await page.getByLabel('Name').fill(stage.user);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: `Hello, ${stage.user}` }).waitFor();
    expect(pathOf(page)).toBe('/shop');
    expect(await page.getByRole('contentinfo').textContent()).toMatch(
      new RegExp(`worker [12], process \\d+\\s+Sessions in ${store}`),
    );
  });

  it.runIf(LONG)('lead a visitor who is not signed in to the sign-in page', async () => {
    const { page } = await stage.open();
    await page.goto('/account');
    await page.getByText('Please sign in to see that page.').waitFor();
    expect(pathOf(page)).toBe('/sign-in');
    await page.goto('/admin/sessions');
    expect(pathOf(page)).toBe('/admin/sign-in');
  });

  it.runIf(LONG)('keep both products that two tabs add at once, until they are ordered', async () => {
    const { page, context } = await stage.signedIn('/shop');
    await page.getByText('Nothing in it yet.').waitFor();
    const other = await context.newPage();
    await other.goto('/shop');
    await Promise.all([click(page, 'Add Morning mug to the cart'), click(other, 'Add Bud vase to the cart')]);
    await Promise.all([page, other].map((tab) => tab.locator('.lines').waitFor()));
    await page.goto('/shop');
    expect(await page.locator('.lines .what').allTextContents()).toEqual([
      'Morning mug€24.00',
      'Bud vase€38.00',
    ]);
    await click(page, 'Place the order');
    await page.getByText('Thank you for your order.').waitFor();
    await page.getByText('Nothing in it yet.').waitFor();
  });

  it.runIf(LONG)('add one product at a double click', async () => {
    const { page } = await stage.signedIn('/shop');
    await page.getByRole('button', { name: 'Add Water jug to the cart' }).dblclick();
    await page.getByLabel('1 in the cart').waitFor();
    await click(page, 'One Water jug more');
    await page.getByLabel('2 in the cart').waitFor();
    await click(page, 'One Water jug less');
    await page.getByLabel('1 in the cart').waitFor();
  });

  it('keep both preferences that two tabs save at once', async () => {
    const { page, context } = await stage.signedIn('/account');
    const other = await context.newPage();
    await other.goto('/account');
    await page.getByLabel('Dark').check();
    await other.getByLabel('The shop greets you in').selectOption('Français');
    await Promise.all([click(page, 'Save theme'), click(other, 'Save language')]);
    await Promise.all([
      page.getByText('The theme is saved.').waitFor(),
      other.getByText('The language is saved.').waitFor(),
    ]);
    await page.goto('/shop');
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
    await page.getByRole('heading', { name: `Bonjour, ${stage.user}` }).waitFor();
  });

  describe('the list of devices', () => {
    it('marks this device, and shows others that come and go, without moving the focus', async () => {
      const { page } = await stage.signedIn('/account');
      await page.getByText('Only this device.').waitFor();
      expect(await devices(page).allTextContents()).toEqual([
        expect.stringMatching(/Chrome on \w+\s+This device/),
      ]);
      expect(await page.getByRole('button', { name: 'Sign out the others' }).isDisabled()).toBe(true);

      await stage.device();
      await page.getByText('2 devices are signed in.').waitFor();
      const button = page.getByRole('button', { name: 'Sign out curl' });
      await button.focus();
      const phone = await stage.device(IPHONE);
      await page.getByText('Safari on iOS').first().waitFor();
      await phone.post('/logout');
      await page.getByText('2 devices are signed in.').waitFor();
      expect(await page.locator(':focus').textContent()).toBe('Sign out curl');

      await page.keyboard.press('Enter');
      await page.getByText('The device is signed out.').waitFor();
    });

    it.each([
      ['Sign out the others', '/account'],
      ...(LONG
        ? [
            ['Sign out Chrome on', '/account'],
            ['Sign out everywhere', '/sign-in'],
          ]
        : []),
    ] as [string, string][])(
      'by "%s" ends the session of the other browser, whose page says so',
      async (name, then) => {
        const [laptop, phone] = await Promise.all([stage.signedIn('/account'), stage.signedIn('/shop')]);
        await laptop.page.getByText('2 devices are signed in.').waitFor();

        await laptop.page.getByRole('main').getByRole('button', { name }).click();
        await laptop.page.getByRole('status').first().waitFor();
        const ended = Date.now();
        expect(pathOf(laptop.page)).toBe(then);
        await phone.page.getByRole('dialog', { name: 'You were signed out' }).waitFor();
        expect(Date.now() - ended).toBeLessThan(RECHECK + SLACK);
        await phone.page.waitForURL('**/sign-in*');
        await phone.page.getByText('You were signed out on this device.').waitFor();
      },
    );

    it('shows the name that a device is given in another browser, and what the device is', async () => {
      const [laptop, phone] = await Promise.all([
        stage.signedIn('/account'),
        stage.signedIn('/account', { userAgent: IPHONE }),
      ]);
      const own = devices(laptop.page).filter({ hasText: 'This device' });
      await own.getByText('Rename').click();
      await own.getByLabel(/^Name of Chrome on/).fill('<b>Work</b>');
      await own.getByRole('button', { name: 'Save name' }).click();
      await laptop.page.getByText('The name of the device is saved.').waitFor();
      const named = devices(phone.page).filter({ hasText: '<b>Work</b>' });
      await named.waitFor();
      expect(await named.textContent()).toMatch(
        /Chrome on \w+ ·\s+Signed in .* last seen\s+.* from 127\.0\.0\.0\/24/s,
      );
      await named.getByRole('button', { name: 'Sign out <b>Work</b>' }).waitFor();
    });

    it('has five at most: a sixth sign-in says which one it signed out, whose page says so', async () => {
      const first = await stage.signedIn('/account', { userAgent: IPHONE });
      await first.page.getByText('Only this device.').waitFor();
      for (let count = 0; count < 4; count++) await stage.device();
      const { page } = await stage.open();
      await page.goto('/sign-in');
      await page.getByLabel('Name').fill(stage.user);
      await page.keyboard.press('Enter');
      await page.getByText('this one was signed out: Safari on iOS.').waitFor();
      await first.page.getByRole('dialog', { name: 'You were signed out' }).waitFor();
      await page.goto('/account');
      await page.getByText('5 devices are signed in.').waitFor();
      expect(await page.getByText('was signed out').count()).toBe(0);
      await first.page.waitForURL('**/sign-in*');
      await first.page.getByText('too many were signed in').waitFor();
    });
  });

  it.runIf(LONG)('say in every tab that the session was ended in another one', async () => {
    const { page, context } = await stage.signedIn('/shop');
    const other = await context.newPage();
    await other.goto('/account');
    await click(page, 'Sign out');
    await page.getByText('You are signed out. See you soon.').waitFor();
    await other.getByRole('dialog', { name: 'You were signed out' }).waitFor();
    // "Back" shows nothing of the session either.
    await page.goBack();
    await page.getByText('Please sign in to see that page.').waitFor();
    expect(await page.content()).not.toContain(stage.user);
  });

  it.runIf(LONG)(
    'work without scripts, and lead from a form of an ended session to the sign-in page',
    async () => {
      const { page, context } = await stage.signedIn('/shop', { javaScriptEnabled: false });
      await click(page, 'Add Wide bowl to the cart');
      await page.getByLabel('1 in the cart').waitFor();
      await stage.device();
      await page.goto('/account');
      await page.getByLabel('Light').check();
      await click(page, 'Save theme');
      await page.getByText('The theme is saved.').waitFor();
      await click(page, 'Sign out curl');
      await page.getByText('The device is signed out.').waitFor();
      const other = await context.newPage();
      await other.goto('/shop');
      await click(page, 'Sign out');
      await page.getByText('You are signed out.').waitFor();
      await click(other, 'Add Morning mug to the cart');
      await other.getByText('Please sign in to see that page.').waitFor();
    },
  );

  it.each([
    ['markup', `<script>alert(1)</script>" onfocus="alert(1)" x='`],
    ...(LONG
      ? [
          ['emoji', '👩‍🚀'.repeat(20)],
          ['one long word', 'x'.repeat(64)],
          ['letters from right to left', '\u202Eשלום'],
        ]
      : []),
  ] as [string, string][])(
    'show a name of %s as it is, on a phone without scrolling sideways',
    async (_, name) => {
      const { page } = await stage.open({ viewport: PHONE });
      page.on('dialog', (dialog) => expect.unreachable(dialog.message()));
      await page.goto('/sign-in');
      await page.getByLabel('Name').fill(name);
      await page.keyboard.press('Enter');
      await page.waitForURL('**/shop');
      expect(await page.locator('h1 bdi').textContent()).toBe(name);
      expect(await overflows(page)).toBe(false);
      await page.goto('/account');
      expect(await overflows(page)).toBe(false);
      await click(page, 'Sign out');
      await page.getByText('You are signed out.').waitFor();
    },
  );

  it('can be used by keyboard, in the order in which they are read', async () => {
    const { page } = await stage.signedIn('/account');
    await stage.device();
    await page.getByText('2 devices are signed in.').waitFor();
    const stops: string[] = [];
    for (let stop = 0; stop < 15; stop++) {
      await page.keyboard.press('Tab');
      stops.push(
        await page.evaluate<string>(
          '(({ tagName, value, textContent }) => tagName === "INPUT" || tagName === "SELECT" ? value : textContent.trim())(document.activeElement)',
        ),
      );
    }
    expect(stops).toEqual([
      'Skip to the content',
      'Kiln',
      'Shop',
      'Account',
      'Admin',
      'Sign out',
      'system',
      'Save theme',
      'en',
      'Save language',
      expect.stringMatching(/^Rename Chrome on \w+$/),
      'Rename curl',
      'Sign out curl',
      'Sign out the others',
      'Sign out everywhere',
    ]);
  });

  it('do not ask whether to stay signed in while there is time', async () => {
    const { page } = await stage.signedIn('/shop');
    await page.getByRole('heading', { name: `Hello, ${stage.user}` }).waitFor();
    expect(await page.getByText('Stay signed in?').isVisible()).toBe(false);
  });

  it('accept no form without the token of its session, no scripts in the markup, and no odd address', async () => {
    const { page, context } = await stage.signedIn('/account');
    const stranger = await stage.device();
    const token = await page.locator('[name=csrf]').first().inputValue();
    expect(token).toMatch(/^\w{48}$/);
    const form = { theme: 'dark' };
    for (const data of [form, { ...form, csrf: '' }, { ...form, csrf: stranger.cookies.get('sid')! }]) {
      const response = await context.request.post('/account/theme', { form: data, maxRedirects: 0 });
      expect(response.status()).toBe(403);
    }
    const accepted = await context.request.post('/account/theme', {
      form: { ...form, csrf: token },
      maxRedirects: 0,
    });
    expect(accepted.status()).toBe(303);

    const headers = { accept: 'text/html' };
    const nowhere = await context.request.get('/account?after=garbage', { headers });
    // A page of a group on Hazelcast may begin after any id.
    expect(nowhere.status()).toBe(store === 'hazelcast' ? 200 : 400);
    if (store !== 'hazelcast') expect(await nowhere.text()).toContain('The list has no such page.');
    const response = await context.request.get('/account');
    expect(response.headers()['content-security-policy']).toMatch(/default-src 'none';.*script-src 'self';/);
    expect(response.headers()['cache-control']).toBe('no-store');
    expect(await response.text()).not.toMatch(/<script(?![^>]* src=)|\son\w+=|\sstyle=/);
  });
});

describe.runIf(LONG).each(BROWSED_STORES)('the list of devices, STORE=%s,', (store) => {
  const stage = new Stage(store, { MAX_DEVICES: String(MANY) });

  it(`has pages if there are ${MANY}, and begins with this device`, { timeout: 120_000 }, async () => {
    const { page } = await stage.signedIn('/account');
    for (let made = 1; made < MANY; made += 50) {
      await Promise.all(Array.from({ length: Math.min(50, MANY - made) }, () => stage.device()));
    }
    await page.getByText(`${MANY} devices are signed in.`).waitFor();
    await page.reload();
    expect(await devices(page).first().textContent()).toContain('This device');
    const ids = new Set<string>();
    for (;;) {
      for (const device of await devices(page).all()) ids.add((await device.getAttribute('data-key'))!);
      const link = page.getByRole('link', { name: 'More devices' });
      if ((await link.count()) === 0) break;
      await page.goto((await link.getAttribute('href'))!);
    }
    expect(ids.size).toBe(MANY);
  });
});
