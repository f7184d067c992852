import { randomUUID } from 'node:crypto';
import { chromium as playwright, type Browser, type BrowserContextOptions } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { SampleApp, STORES } from '../e2e/sample-app.js';
import { Browser as Client } from '../http/browser.js';
import { chromium } from '../servers/chromium.mjs';
import { Visitor } from './visitor.js';

export const LONG = Boolean(process.env['LONG']);
/** One store in the short run: what differs between stores is for their own specs. */
export const BROWSED_STORES = LONG ? STORES : ['cluster'];

/** The sample app and the browsers of a spec. */
export class Stage {
  app!: SampleApp;
  /** The admin's password. */
  password!: string;
  /** A name of this test alone: runs may share a server. */
  user!: string;
  /** Errors that the pages of a test may log. */
  expected: RegExp | undefined;
  private browser!: Browser;
  private readonly visitors: Visitor[] = [];

  /** @param env what else the app gets from its environment */
  constructor(store: string, env: Record<string, string> = {}) {
    // Installing Chromium takes long.
    beforeAll(async () => {
      [this.app, this.browser] = await Promise.all([SampleApp.start({ STORE: store, ...env }), launch()]);
      this.password = /^http:.* password is (\S+)/.exec(this.app.output)![1]!;
    }, 300_000);
    afterAll(() => Promise.all([this.app?.stop(), this.browser?.close()]));

    beforeEach(() => {
      this.user = `ada ${randomUUID()}`;
      this.expected = undefined;
    });
    afterEach(async () => {
      const errors = this.visitors.flatMap((visitor) => visitor.errors);
      await Promise.all(this.visitors.splice(0).map(({ context }) => context.close()));
      expect(errors.filter((error) => !this.expected?.test(error))).toEqual([]);
    });
  }

  /** Opens a browser with cookies of its own. */
  async open(options?: BrowserContextOptions): Promise<Visitor> {
    const visitor = await Visitor.open(this.browser, this.app.url, options);
    this.visitors.push(visitor);
    return visitor;
  }

  /** Opens a browser in which the user is signed in, on a page. */
  async signedIn(path: string, options?: BrowserContextOptions): Promise<Visitor> {
    const visitor = await this.open(options);
    await visitor.signIn(this.user);
    await visitor.page.goto(path);
    return visitor;
  }

  /** Signs the user in on a device without pages. */
  async device(userAgent = 'curl/8.5.0'): Promise<Client> {
    const client = new Client(this.app.url, userAgent);
    expect((await client.post('/login', { user: this.user })).status).toBe(201);
    return client;
  }
}

/** Starts a Chromium without a window. Close it. */
export async function launch(): Promise<Browser> {
  return playwright.launch({
    executablePath: await chromium(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic'],
  });
}
