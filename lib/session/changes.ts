import { Cookie } from 'express-session';
import { LiveCookie, type CookieChange } from '../cookie/live-cookie.js';
import { keepsWholeCookie, type SessionConfig } from './config.js';
import { diffData, type DataChange } from './data.js';
import type { GroupChange } from './groups.js';
import type { LiveSession } from './live-session.js';
import { lostIn } from './lost.js';
import { verdictOn } from './standing.js';
import type { SessionState } from './state.js';

const JOINED_BEFORE =
  'joinGroup() was called before regenerate(), with a limit or for a group that the old session was already in, so the new session is not in the group. Call joinGroup() after regenerate()';

/** How a session differs from its stored record. */
export interface Changes {
  /** The changed data, including the serialized cookie. */
  data: DataChange | undefined;
  groups: GroupChange | undefined;
  cookie: CookieChange | undefined;
}

/** How `session` differs from its stored record. Throws a `TypeError` for a value that cannot be stored. */
export function changesOf(session: LiveSession, state: SessionState, config: SessionConfig): Changes {
  if (session.cookie !== state.cookie) {
    // Passport copies all properties of a session, `cookie` included, when it keeps session data across a login.
    if (!(session.cookie instanceof Cookie)) {
      throw new TypeError(
        'session.cookie was replaced. Set its attributes instead: session.cookie.maxAge = …',
      );
    }
    LiveCookie.adopt(state.cookie, session.cookie);
    session.cookie = state.cookie;
  }
  const keeps = keepsWholeCookie(config) ? 'whole' : 'own';
  const cookie = LiveCookie.change(state.cookie, keeps, state.standing.is !== 'new');
  const data = diffData(session, state.data.snapshot, config.reservedNames, cookie);
  return { data, groups: state.groups.change(), cookie };
}

/** Whether `session` has unsaved data or groups that could be saved. */
export function isUnsaved(session: LiveSession, state: SessionState, config: SessionConfig): boolean {
  if (state.standing.is === 'offline' || verdictOn('assign', state.standing) === 'does nothing') return false;
  try {
    const data = diffData(session, state.data.snapshot, config.reservedNames);
    return data !== undefined || state.groups.change() !== undefined || state.label !== undefined;
  } catch {
    // A value that cannot be serialized.
    return true;
  }
}

/** Whether `session` has unsaved data, groups or attributes of the cookie. */
export function hasChanges(session: LiveSession, state: SessionState, config: SessionConfig): boolean {
  try {
    const { data, groups, cookie } = changesOf(session, state, config);
    return data !== undefined || groups !== undefined || cookie !== undefined || state.label !== undefined;
  } catch {
    // A value that cannot be serialized.
    return true;
  }
}

/** In development, logs data and joins that the next request will not see. */
export function warnOfMistakes(
  session: LiveSession,
  state: SessionState,
  change: DataChange | undefined,
  { conditions, reservedNames }: SessionConfig,
): void {
  if (state.groups.missesOne) conditions.begin('misses a group', JOINED_BEFORE);
  for (const name of Object.keys(session)) {
    if (conditions.holds('value is lost')) return;
    const value: unknown = Object.getOwnPropertyDescriptor(session, name)?.value;
    const isLeftOut = typeof value === 'function' || typeof value === 'symbol';
    if (reservedNames.has(name) || !(isLeftOut || change?.set?.[name] !== undefined)) continue;
    const lost = lostIn(value);
    if (lost === undefined) continue;
    conditions.begin(
      'value is lost',
      `session[${JSON.stringify(name)}] holds ${lost}, which JSON leaves out, so the next request does not see it. Store plain values`,
    );
  }
}
