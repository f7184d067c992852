import type { SessionRecord } from '../contract/record.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import { randomName } from '../token/token.js';
import type { Client } from './client.js';
import type { ClientToken } from './client-token.js';
import { keepsWholeCookie, type SessionConfig } from './config.js';
import { cookieTextIn } from './data.js';
import { CURRENT, SUPERSEDED } from './standing.js';
import { SessionState } from './state.js';

/**
 * The state of a session that is not stored yet.
 *
 * @param isStorable whether it can ever be stored. If not, `genid` is not called for its id
 */
export function newState(config: SessionConfig, client: Client, isStorable: boolean): SessionState {
  const id = isStorable ? client.newId() : randomName();
  return new SessionState(id, cookieFor(config, client), config.idleTimeout);
}

/** The state of a stored session whose client holds `token`. Its data is not loaded yet. */
export function storedState(
  config: SessionConfig,
  client: Client,
  record: SessionRecord,
  token: ClientToken,
  holds: 'current' | 'previous',
): SessionState {
  const { idleTimeout, resave, rolling } = config;
  const state = new SessionState(record.id, cookieFor(config, client, record), idleTimeout);
  state.standing = holds === 'current' ? CURRENT : SUPERSEDED;
  state.token = token;
  if (resave || rolling === true) state.touch();
  return state;
}

/** The state of a session that was read again. Its data is not loaded yet. */
export function stateAgain(
  config: SessionConfig,
  client: Client,
  record: SessionRecord,
  before: SessionState,
): SessionState {
  const state = new SessionState(before.id, cookieFor(config, client, record), config.idleTimeout);
  state.standing = before.standing;
  state.token = before.token;
  // A session that was created for a short time must be renewed.
  if (before.renewal === 'asked' || before.renewal === 'owed') state.renewal = before.renewal;
  state.cookieAsked = before.cookieAsked;
  return state;
}

/** The cookie of a session: that of its record, or a new one. */
function cookieFor(config: SessionConfig, client: Client, record?: SessionRecord): LiveCookie {
  const { plain, secure } = client.identity.cookie;
  const defaults = client.isSecure ? secure : plain;
  const text = record && cookieTextIn(record.data);
  const isWhole = text !== undefined && keepsWholeCookie(config) && LiveCookie.isWhole(text);
  if (!isWhole) return new LiveCookie(defaults, text);
  // express-session leaves these two out if they are not set. Then ours apply, which are safer.
  return new LiveCookie(
    { path: '/', httpOnly: true, secure: defaults.secure, sameSite: defaults.sameSite },
    text,
  );
}
