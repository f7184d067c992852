import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { Browser as Client } from '../http/browser.js';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** A browser with cookies of its own that uses the sample app. */
export class Visitor {
  /** What its pages have logged: errors of scripts and of the policy, and responses with an error status. */
  readonly errors: string[] = [];

  private constructor(
    private readonly url: string,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visitor> {
    const context = await browser.newContext({ baseURL: url, viewport: DESKTOP, ...options });
    context.setDefaultTimeout(20_000);
    const visitor = new Visitor(url, context, await context.newPage());
    context.on('weberror', (error) => visitor.errors.push(String(error.error())));
    context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) visitor.errors.push(message.text());
    });
    return visitor;
  }

  /** Signs in by the JSON interface, which is quicker than by the page. */
  async signIn(user: string): Promise<void> {
    const client = new Client(this.url, await this.page.evaluate<string>('navigator.userAgent'));
    expect((await client.post('/login', { user })).status).toBe(201);
    await this.context.addCookies([{ name: 'sid', value: client.cookies.get('sid')!, url: this.url }]);
  }

  /** Opens the admin's pages. */
  async openAdmin(password: string): Promise<void> {
    await this.page.goto('/admin');
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: 'Open' }).click();
    await this.page.getByText('Live sessions').waitFor();
  }
}

/** Fails if axe-core finds anything wrong with a page. */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  // A script of the test is not subject to the page's policy.
  await page.evaluate(axe);
  const violations = await page.evaluate<{ id: string; nodes: { html: string; failureSummary: string }[] }[]>(
    'axe.run(document).then(({ violations }) => violations)',
  );
  const found = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
  expect(found, what).toEqual([]);
}

/** Whether a page is wider than its window. */
export function overflows(page: Page): Promise<boolean> {
  return page.evaluate<boolean>(
    'document.documentElement.scrollWidth > document.documentElement.clientWidth',
  );
}
