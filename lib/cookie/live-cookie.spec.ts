import { stringifySetCookie } from 'cookie';
import { describe, expect, it } from 'vitest';
import { LiveCookie } from './live-cookie.js';
import type { CookieAttributes } from './attributes.js';

const expiresAt = Date.UTC(2030, 4, 6, 7, 8, 9);
const value = 's:key~secret.sig+/=';

const configured: CookieAttributes[] = [
  { maxAge: 60_000, path: '/' },
  { maxAge: 60_000, path: '/', httpOnly: true, sameSite: 'lax', secure: false },
  { maxAge: 1.5, path: '/app', httpOnly: false, sameSite: true, secure: true, domain: 'example.org' },
  { maxAge: 60_000, path: '/', sameSite: 'none', secure: true, partitioned: true, priority: 'high' },
  { maxAge: 60_000, path: `/, Expires=${new Date(0).toUTCString()}`, sameSite: false },
];

/** The `Set-Cookie` value that the `cookie` package writes for the attributes. */
function written(attributes: CookieAttributes): string {
  return stringifySetCookie({
    name: 'sid',
    value,
    ...attributes,
    maxAge: undefined,
    expires: new Date(expiresAt),
  });
}

describe('LiveCookie.set', () => {
  it.each(configured)(
    'writes %j as the cookie package does, the first time and every time after',
    (defaults) => {
      for (let time = 0; time < 2; time++) {
        expect(LiveCookie.set(new LiveCookie(defaults), 'sid', encodeURIComponent(value), expiresAt)).toBe(
          written(defaults),
        );
      }
    },
  );

  it('writes the attributes that a session has changed, and leaves other cookies alone', () => {
    const defaults: CookieAttributes = { maxAge: 60_000, path: '/', sameSite: 'lax' };
    const changed = new LiveCookie(defaults);
    changed.sameSite = 'strict';

    expect(LiveCookie.set(changed, 'sid', encodeURIComponent(value), expiresAt)).toBe(
      written({ ...defaults, sameSite: 'strict' }),
    );
    expect(LiveCookie.set(new LiveCookie(defaults), 'sid', encodeURIComponent(value), expiresAt)).toBe(
      written(defaults),
    );
  });

  it('shows the expiry that was sent, and keeps maxAge', () => {
    const cookie = new LiveCookie({ maxAge: 60_000, path: '/' });
    LiveCookie.set(cookie, 'sid', encodeURIComponent(value), expiresAt);

    expect(cookie.expires).toEqual(new Date(expiresAt));
    expect(cookie.originalMaxAge).toBe(60_000);
  });
});
