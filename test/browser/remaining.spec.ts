import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { Stage } from './stage.js';
import { expectAccessible } from './visitor.js';

const SECOND = 1000;
const IDLE_TIMEOUT = 8 * SECOND;
/** How much later than that a page of a busy machine may show it. */
const SLACK = 4 * SECOND;

/** The seconds that the page counts down. */
async function shown(page: Page): Promise<number> {
  const text = await page.locator('.stay output').textContent();
  const [minutes, seconds] = text!.split(':').map(Number);
  return minutes! * 60 + seconds!;
}

describe('a page whose session expires soon', () => {
  const stage = new Stage('cluster', { IDLE_TIMEOUT: String(IDLE_TIMEOUT) });

  it('asks whether to stay signed in, counts down, and renews the session when the user confirms', async () => {
    const { page } = await stage.signedIn('/shop');
    await page.getByText('Stay signed in?').waitFor();
    await expectAccessible(page, 'the question');
    await eventually(async () => (await shown(page)) <= 4);
    await page.getByRole('button', { name: 'Stay signed in' }).click();
    await eventually(async () => (await shown(page)) >= 6);
    expect(new URL(page.url()).pathname).toBe('/shop');
  });

  it('leads to the sign-in page when the session has expired, although it asks the server all the time', async () => {
    const { page } = await stage.signedIn('/shop');
    const began = Date.now();
    const polls: number[] = [];
    page.on('response', (response) => {
      if (response.url().endsWith('/session/remaining')) polls.push(response.status());
    });
    await page.waitForURL('**/sign-in*', { timeout: 3 * IDLE_TIMEOUT });
    expect(Date.now() - began).toBeGreaterThan(IDLE_TIMEOUT - SECOND);
    expect(Date.now() - began).toBeLessThan(IDLE_TIMEOUT + SLACK);
    expect(polls.length).toBeGreaterThan(0);
    await page.getByText('Sign in to continue.').waitFor();
  });
});
