import type { Browser, ReceivedResponse } from '../http/browser.js';

/** What a browser sends with a form that a page of another site posts. */
export const CROSS_SITE = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };

/** Sends a request as a page of another site would. With the browser's cookies: `SameSite=None`. */
export function fromOtherSite(
  browser: Browser,
  path: string,
  { method = 'POST', ...send }: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<ReceivedResponse> {
  return browser.send(method, path, { ...send, headers: { ...CROSS_SITE, ...send.headers } });
}
