import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { SessionOptions } from 'nestjs-session-stores';
import { serveApp, type Handler, type TestApp } from '../http/app.js';
import { serve } from '../http/server.js';
import { launch } from './stage.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
}, 300_000);
afterAll(() => browser?.close());

const HANDLERS: Record<string, Handler> = {
  '/login': async (session, { query }) => {
    await session.regenerate();
    session.user = String(query['user'] ?? 'ann');
    return { user: session.user };
  },
  '/me': (session) => ({ user: session.user ?? null }),
  '/write': (session, req, res) => {
    res.set({
      'access-control-allow-origin': req.headers.origin ?? '*',
      'access-control-allow-credentials': 'true',
    });
    return { user: session.user ?? null };
  },
};

interface Visit {
  app: TestApp;
  page: Page;
  /** The origin of a page of another site. */
  other: string;
}

/** Opens a browser whose user has just logged in to an app, by a page of the app. */
async function visit(options: Partial<SessionOptions>): Promise<Visit> {
  const app = await serveApp(HANDLERS, options);
  const server = await serve((_req, res) =>
    res.setHeader('content-type', 'text/html').end('<title>evil</title>'),
  );
  const context: BrowserContext = await browser.newContext();
  onTestFinished(async () => {
    await context.close();
    await server.close();
  });
  const page = await context.newPage();
  await page.goto(`${app.url}/login`);
  // The app is at 127.0.0.1, which is another site than localhost. Chromium trusts both as if they had TLS.
  return { app, page, other: `http://localhost:${server.port}` };
}

/** Lets a page of the other site post a form to the app, as a navigation. Resolves to the response. */
async function post({ app, page, other }: Visit, path: string): Promise<{ status: number; body: unknown }> {
  await page.goto(other);
  const [response] = await Promise.all([
    page.waitForResponse((one) => one.url() === app.url + path),
    page.evaluate(`{
      const form = document.createElement('form');
      form.method = 'post';
      form.action = ${JSON.stringify(app.url + path)};
      document.body.append(form);
      form.submit();
    }`),
  ]);
  return { status: response.status(), body: await response.json() };
}

async function userIn({ app, page }: Visit): Promise<unknown> {
  const response = await page.goto(`${app.url}/me`);
  return ((await response!.json()) as { user: unknown }).user;
}

describe('Chromium', () => {
  it('sends a SameSite=Lax cookie, however new, with no cross-site form, but with a link', async () => {
    const one = await visit({});
    expect(await post(one, '/write')).toEqual({ status: 200, body: { user: null } });
    await one.page.goto(one.other);
    await one.page.evaluate(`location.href = ${JSON.stringify(`${one.app.url}/me`)}`);
    await one.page.waitForURL('**/me');
    expect(await one.page.textContent('body')).toBe('{"user":"ann"}');
  });

  it('sends a cookie without SameSite with a cross-site form in its first two minutes', async () => {
    const one = await visit({ cookie: { sameSite: false } });
    expect(await post(one, '/write')).toEqual({ status: 200, body: { user: 'ann' } });
  });

  it('sends a SameSite=Lax cookie with no cross-site fetch', async () => {
    const one = await visit({});
    await one.page.goto(one.other);
    const seen = await one.page.evaluate(
      `fetch(${JSON.stringify(`${one.app.url}/write`)}, { method: 'POST', credentials: 'include' }).then((response) => response.json())`,
    );
    expect(seen).toEqual({ user: null });
  });

  it("sends it with a form of another port of the host, which crossSite: 'reject' accepts: it is of the same site", async () => {
    const one = await visit({ crossSite: 'reject' });
    const sibling = { ...one, other: one.other.replace('localhost', '127.0.0.1') };
    expect(await post(sibling, '/write')).toEqual({ status: 200, body: { user: 'ann' } });
  });
});

describe('a form of another site that logs another user in', () => {
  it('replaces the session of the user, without the option', async () => {
    const one = await visit({});
    expect(await post(one, '/login?user=eve')).toMatchObject({ status: 200 });
    expect(await userIn(one)).toBe('eve');
  });

  it.each(['isolate', 'reject'] as const)(
    "leaves the session of the user, with crossSite: '%s'",
    async (crossSite) => {
      const one = await visit({ crossSite });
      expect(await post(one, '/login?user=eve')).toEqual({ status: 200, body: { user: 'eve' } });
      expect(await userIn(one)).toBe('ann');
    },
  );

  it("is rejected with crossSite: 'reject', if the browser sends the cookie", async () => {
    const one = await visit({ crossSite: 'reject', cookie: { sameSite: 'none', secure: true } });
    expect(await post(one, '/login?user=eve')).toMatchObject({ status: 403 });
    expect(await userIn(one)).toBe('ann');
  });
});
