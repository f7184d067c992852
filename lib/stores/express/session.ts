import { NEVER, NO_SECRET_HASH, type SessionRecord } from '../../contract/record.js';
import { newTexts } from '../../contract/texts.js';
import { cookieOf, cookieText, expiryOf, type ExpressSessionJson } from './cookie.js';

/** A session in this package's form and in express-session's: the hint of its record. */
export interface Kept {
  record: SessionRecord;
  /** As the store returned it. A store may rely on values in it that cannot be serialized as JSON. */
  session: Record<string, unknown>;
}

export function isKept(hint: unknown): hint is Kept {
  const { record, session } = Object(hint) as Partial<Kept>;
  return record !== undefined && session !== undefined;
}

/** The record of a session that the store returned. */
export function recordOf(id: string, session: ExpressSessionJson): SessionRecord {
  const data = newTexts();
  for (const name of Object.keys(session)) {
    const text = name === 'cookie' ? cookieText(session.cookie) : JSON.stringify(session[name]);
    if (text !== undefined) data[name] = text;
  }
  const expiresAt = expiryOf(session.cookie) ?? NEVER;
  return { id, secretHash: NO_SECRET_HASH, data, groups: [], createdAt: 0, expiresAt };
}

/** The session of `next` as express-session would pass it to the store. */
export function sessionOf({ record, session }: Kept, next: SessionRecord): Record<string, unknown> {
  const whole: Record<string, unknown> = { cookie: cookieOf(next.data['cookie'], next.expiresAt) };
  for (const name of Object.keys(next.data)) {
    if (name === 'cookie') continue;
    const value =
      Object.hasOwn(session, name) && record.data[name] === next.data[name]
        ? session[name]
        : JSON.parse(next.data[name]!);
    Object.defineProperty(whole, name, { value, writable: true, enumerable: true, configurable: true });
  }
  return whole;
}
