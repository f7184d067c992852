import { stringifySetCookie } from 'cookie';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveCookie } from './live-cookie.js';
import type { CookieAttributes } from './attributes.js';

const NOW = Date.UTC(2030, 4, 6, 7, 8, 9);
const value = 's:id.secret.sig+/=';

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: NOW }));
afterEach(() => void vi.useRealTimers());

const configured: CookieAttributes[] = [
  { maxAge: 60_000, path: '/' },
  { maxAge: 60_000, path: '/', httpOnly: true, sameSite: 'lax', secure: false },
  { maxAge: 1.5, path: '/app', httpOnly: false, sameSite: true, secure: true, domain: 'example.org' },
  { maxAge: 60_000, path: '/', sameSite: 'none', secure: true, partitioned: true, priority: 'high' },
  { maxAge: 60_000, path: `/, Expires=${new Date(0).toUTCString()}`, sameSite: false },
];

/** The attributes of a `Set-Cookie` value, sorted: their order does not matter. */
const sorted = (line: string): string[] => line.split('; ').toSorted();

/** The `Set-Cookie` value that the `cookie` package writes for the attributes. */
function written(attributes: CookieAttributes, maxAge: number | undefined): string[] {
  const expires = new Date(NOW + attributes.maxAge!);
  return sorted(stringifySetCookie({ name: 'sid', value, ...attributes, maxAge, expires }));
}

const set = (cookie: LiveCookie, expiresAt: number, withMaxAge = true): string =>
  LiveCookie.set(cookie, 'sid', encodeURIComponent(value), expiresAt, withMaxAge);

describe('LiveCookie.set', () => {
  it.each(configured)(
    'writes %j as the cookie package does, the first time and every time after',
    (defaults) => {
      const expiresAt = NOW + defaults.maxAge!;
      const seconds = Math.ceil(defaults.maxAge! / 1000);
      for (let time = 0; time < 2; time++) {
        expect(sorted(set(new LiveCookie(defaults), expiresAt))).toEqual(written(defaults, seconds));
        expect(sorted(set(new LiveCookie(defaults), expiresAt, false))).toEqual(written(defaults, undefined));
      }
    },
  );

  it('writes the attributes that a session has changed, and leaves other cookies alone', () => {
    const defaults: CookieAttributes = { maxAge: 60_000, path: '/', sameSite: 'lax' };
    const changed = new LiveCookie(defaults);
    changed.sameSite = 'strict';
    expect(sorted(set(changed, NOW + 60_000))).toEqual(written({ ...defaults, sameSite: 'strict' }, 60));
    expect(sorted(set(new LiveCookie(defaults), NOW + 60_000))).toEqual(written(defaults, 60));
  });

  it('writes what is left of the session, and its expiry by the clock of the store', () => {
    const cookie = new LiveCookie({ maxAge: 60_000, path: '/' });
    LiveCookie.expireIn(cookie, 20_000);
    const hour = 3_600_000;
    expect(set(cookie, NOW + hour + 20_000)).toContain('; Max-Age=20; ');
    expect(set(cookie, NOW + hour + 20_000)).toContain(
      `Expires=${new Date(NOW + hour + 20_000).toUTCString()}`,
    );
  });

  it('writes an age of at most 400 days', () => {
    const day = 24 * 3_600_000;
    const cookie = new LiveCookie({ maxAge: 1000 * day, path: '/' });
    const line = set(cookie, NOW + 1000 * day);
    expect(line).toContain(`Max-Age=${400 * 86_400}; `);
    expect(line).toContain(`Expires=${new Date(NOW + 400 * day).toUTCString()}`);
  });
});

describe('LiveCookie.expireIn', () => {
  it('sets the remaining lifetime, and keeps the age that was configured or set', () => {
    const cookie = new LiveCookie({ maxAge: 60_000, path: '/' });
    LiveCookie.expireIn(cookie, 20_000);
    const { maxAge, expires, originalMaxAge } = cookie;
    expect({ maxAge, expires, originalMaxAge }).toEqual({
      maxAge: 20_000,
      expires: new Date(NOW + 20_000),
      originalMaxAge: 60_000,
    });
    expect(LiveCookie.lifetime(cookie, 1)).toBe(60_000);
    expect(LiveCookie.change(cookie)).toBeUndefined();
  });

  it('changes nothing for a cookie without an age', () => {
    const cookie = new LiveCookie({ path: '/' });
    LiveCookie.expireIn(cookie, 20_000);
    const { maxAge, expires } = cookie;
    expect({ maxAge, expires }).toEqual({ maxAge: null, expires: null });
  });
});
