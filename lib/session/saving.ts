import type { SessionChange } from '../contract/record.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import { checkBounds } from './bounds.js';
import { changesOf, warnOfMistakes } from './changes.js';
import { noTokenError, type Client } from './client.js';
import { ClientToken } from './client-token.js';
import type { SessionConfig } from './config.js';
import { changesProperties } from './data.js';
import { isOurs, isStampDue, stampFor } from './expiry.js';
import type { LiveSession } from './live-session.js';
import { newRecord } from './new-record.js';
import { planSave, type Save } from './save-plan.js';
import { verdictOn } from './standing.js';
import type { SessionState } from './state.js';

/** Why a session is saved: the handler called `save()`, or its response is about to be sent. */
export type Reason = 'save()' | 'commit';

/**
 * What a save of `session` sends; `undefined` if there is nothing to send. Throws if something must be saved, but
 * cannot be. {@link planSave} decides whether there is something to send.
 *
 * @param hasNotice whether the response already gives the client the session's token, or removes it
 * @param isPassive whether the request must not renew the session
 */
export function saveOf(
  session: LiveSession,
  state: SessionState,
  reason: Reason,
  { hasNotice, isPassive }: { hasNotice: boolean; isPassive: boolean },
  config: SessionConfig,
  client: Client,
): Save | undefined {
  const isAsked = reason === 'save()';
  const verdict = verdictOn(isAsked ? 'save' : 'assign', state.standing);
  if (verdict === 'does nothing') return undefined;
  const { data, groups, cookie } = changesOf(session, state, config);
  if (typeof verdict === 'object') {
    if (isAsked || data || groups || state.label !== undefined) throw verdict;
    return undefined;
  }
  if (config.isDevelopment) warnOfMistakes(session, state, data, config);
  if ((data && changesProperties(data)) || groups) {
    const before = { data: state.data.snapshot.texts, groups: state.groups.stored };
    const { set, remove } = data ?? {};
    checkBounds(before, { set, remove, join: groups?.join, leave: groups?.leave }, config.maxSize);
  }

  const lifetime = LiveCookie.lifetime(state.cookie, config.idleTimeout);
  const save = planSave({
    createdAt: state.record?.createdAt,
    data,
    groups,
    label: state.label,
    cookie,
    lastSeenAt: state.lastSeenAt,
    recordsUse: config.clientOf !== undefined && !isPassive,
    expiresAt: state.expiresAt,
    storedLifetime: state.lifetime,
    lifetime,
    absoluteTimeout: config.absoluteTimeout,
    touchAfter: config.touchAfter,
    now: config.store.now(),
    isWanted: isAsked || (config.saveUninitialized && client.canGiveToken() !== 'never'),
    renewal: isPassive && state.renewal !== 'owed' ? 'never' : state.renewal,
    isCookieDue: isCookieDue(state, lifetime, hasNotice || isPassive, config, client),
  });
  return save && (state.record || canCreate(state, isAsked, config, client)) ? save : undefined;
}

/**
 * Whether a new session can be created: its client must be able to get its token. Throws if it must be created, but
 * cannot be.
 */
function canCreate(
  state: SessionState,
  isAsked: boolean,
  { logger, nameOf }: SessionConfig,
  client: Client,
): boolean {
  const can = client.canGiveToken();
  // The commit of a held response creates sessions.
  if (can === true || can === 'held') return true;
  if (isAsked || can === 'never') throw noTokenError('save', can);
  logger.warn(
    `session ${nameOf(state.id)} was not created: the response had begun, so its cookie could not be sent. Change it before the response`,
  );
  return false;
}

/**
 * Whether the client needs its cookie again although the session need not be saved: its cookie expires earlier than the
 * session by more than the part `touchAfter` of the lifetime, because the response with a later one never reached it.
 *
 * @param isSilent whether it gets no cookie for that reason
 */
function isCookieDue(
  state: SessionState,
  lifetime: number,
  isSilent: boolean,
  config: SessionConfig,
  client: Client,
): boolean {
  if (!state.record) return false;
  if (state.cookieAsked) return true;
  if (config.rolling === false || isSilent || state.standing.is === 'superseded') return false;
  if (!stampsCookies(state, config, client)) return false;
  const can = client.canGiveToken();
  if (can === 'never' || can === 'sent') return false;
  return isStampDue(state.token?.stamp, stampOf(state, config, client), lifetime, config.touchAfter);
}

/** Whether the token says when its cookie expires. A token that is a bare session id has no place for it. */
function stampsCookies({ token }: SessionState, { store }: SessionConfig, { identity }: Client): boolean {
  return identity.isCookie && (token ? token.secret !== '' : store.capabilities.secrets);
}

/** When a cookie that is sent now expires, in epoch seconds. `undefined` if it has no age, or is not a cookie. */
export function stampOf(state: SessionState, config: SessionConfig, client: Client): number | undefined {
  const { cookie, expiresAt } = state;
  if (!stampsCookies(state, config, client) || typeof cookie.originalMaxAge !== 'number') return undefined;
  return stampFor(expiresAt, config.store.now());
}

/**
 * The outcome of a save: it is done, and the client needs its token again or not; another request has rotated the
 * secret; the session has ended; or a new session must not take the place of the one that it came from.
 */
export type Saved = 'owes token' | 'done' | 'superseded' | 'gone' | 'refused';

/** Sends a save to the store, and records the outcome in `state`. */
export async function sendSave(
  state: SessionState,
  save: Save,
  isPassive: boolean,
  config: SessionConfig,
  client: Client,
): Promise<Saved> {
  const { changed, cookieDue, data, groups, label, cookie, lifetime, expiresAt } = save;
  const isNew = !state.record;
  const seen = useOf(state, isPassive, config, client);
  const updated = state.record
    ? await config.store.update(state.record, seen ? { ...save.change, seen } : save.change)
    : await create(state, save, seen, config);
  if (!updated) {
    if (!isNew) state.note({ type: 'gone' });
    return isNew ? 'refused' : 'gone';
  }
  if (data) state.data.saved(data);
  if (groups) state.groups.saved(groups);
  if (state.label === label) state.label = undefined;
  if (seen) state.lastSeenAt = seen.at;
  if (cookie) LiveCookie.saved(state.cookie, cookie.text);
  state.moveExpiry(updated.expiresAt, config.store.now());
  state.lifetime = lifetime;
  if (state.renewal === 'asked' || state.renewal === 'owed') state.renewal = 'if due';
  state.cookieAsked = false;
  config.conditions.end('not renewed');

  if (updated.secretHash !== state.token!.secretHash) {
    // This request rotated so long ago that another one took the response for lost, and rotated again.
    state.note({ type: 'superseded' });
    return 'superseded';
  }
  if (isNew) return 'owes token';
  if (state.standing.is === 'superseded' || !isOurs(updated.expiresAt, expiresAt, lifetime)) return 'done';
  if (cookieDue || cookie?.isForClient) return 'owes token';
  return !isPassive && !save.isUseOnly && owesCookie(state, changed, config) ? 'owes token' : 'done';
}

/** The use that a save records, with the client that the request has; on a socket the last one that is known. */
function useOf(
  { record }: SessionState,
  isPassive: boolean,
  { store, clientOf }: SessionConfig,
  client: Client,
): SessionChange['seen'] {
  if (!clientOf || isPassive) return undefined;
  return { at: store.now(), client: (client.isSocket && record?.client?.last) || client.describe()! };
}

async function create(
  state: SessionState,
  { data, groups, label, expiresAt }: Save,
  seen: SessionChange['seen'],
  { store, signer }: SessionConfig,
): Promise<{ expiresAt: number; secretHash: string } | undefined> {
  // A failed create may have taken effect, so it is repeated with the same secret.
  const { secretHash } = (state.token ??= new ClientToken(state.id, signer.newSecret()));
  const record = newRecord({
    id: state.id,
    secretHash,
    data,
    groups,
    createdAt: store.now(),
    expiresAt,
    origins: state.origins,
    label,
    seen,
  });
  if (!(await store.create(record))) return undefined;
  state.record = record;
  state.note({ type: 'confirmed' });
  return record;
}

/** Whether the save of a stored session sends its cookie again although its attributes have not changed. */
function owesCookie({ cookie }: SessionState, changed: boolean, { rolling }: SessionConfig): boolean {
  if (rolling === true) return true;
  // A cookie that ends with the browser has no expiry to renew.
  if (typeof cookie.originalMaxAge !== 'number') return false;
  return rolling === undefined || changed;
}
