import { Cookie as ExpressCookie } from 'express-session';
import { NEVER } from '../../contract/record.js';

// Its types leave the argument out.
const Cookie = ExpressCookie as unknown as new (attributes: object) => ExpressCookie;

/** A session as express-session passes it to a store: its data, and `cookie`. */
export type ExpressSessionJson = Record<string, unknown> & { cookie: ExpressCookie };

/** The cookie of a stored session, as it was parsed from JSON. */
type StoredCookie = Record<string, unknown> & { originalMaxAge?: unknown; expires?: unknown };

/** When a session with this cookie expires, in epoch milliseconds; `undefined` if the cookie does not say. */
export function expiryOf(cookie: unknown): number | undefined {
  const { expires } = Object(cookie) as StoredCookie;
  if (!(expires instanceof Date) && typeof expires !== 'string') return undefined;
  const instant = new Date(expires).getTime();
  return Number.isNaN(instant) ? undefined : Math.min(instant, NEVER);
}

/** The JSON text of `cookie` in a record: the attributes, and the `maxAge` that was set. */
export function cookieText(cookie: unknown): string {
  const json = JSON.parse(JSON.stringify(cookie ?? {})) as StoredCookie;
  const { originalMaxAge, expires: _, ...attributes } = json;
  return JSON.stringify({
    maxAge: typeof originalMaxAge === 'number' ? originalMaxAge : null,
    ...attributes,
  });
}

/** The `Cookie` that express-session would pass to a store, for a session with this JSON text and expiry. */
export function cookieOf(text: string | undefined, expiresAt: number, defaults: object = {}): ExpressCookie {
  const { maxAge = null, ...attributes } = { ...defaults, ...attributesIn(text) } as Record<string, unknown>;
  const cookie = new Cookie(attributes);
  cookie.expires = typeof maxAge === 'number' ? new Date(expiresAt) : null;
  // The setter of `expires` has derived `originalMaxAge` from the clock.
  cookie.originalMaxAge = maxAge as number | null;
  return cookie;
}

function attributesIn(text: string | undefined): object {
  if (text === undefined) return {};
  try {
    return Object(JSON.parse(text)) as object;
  } catch {
    return {};
  }
}
