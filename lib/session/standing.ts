import { SessionGoneError, type SessionStoreError } from '../contract/errors.js';

/**
 * The standing of one session in a request.
 *
 * - `new`: it is not stored yet.
 * - `current`: it is stored, and the client holds its current secret.
 * - `superseded`: the client holds the previous secret, or its rotation lost. The request works, and sends no token.
 * - `offline`: the store could not be read, or failed to regenerate the session. Every change fails with that error.
 * - `left`: the handler called `regenerate()`, which failed because the client cannot get a new token. The session is
 *   still live, but later assignments were meant for the new one, so they are not saved.
 * - `ended`: the session was ended, by this request or elsewhere. If a login was rejected because its session was ended
 *   elsewhere, assignments fail with the error of that login.
 */
export type Standing =
  | { readonly is: 'new' | 'current' | 'superseded' }
  | { readonly is: 'offline'; readonly error: SessionStoreError }
  | { readonly is: 'left'; readonly before: Standing }
  | { readonly is: 'ended'; readonly by: 'us'; readonly isRegenerated: boolean }
  | { readonly is: 'ended'; readonly by: 'others'; readonly rejection?: SessionGoneError };

export const NEW: Standing = { is: 'new' };
export const CURRENT: Standing = { is: 'current' };
export const SUPERSEDED: Standing = { is: 'superseded' };
const DESTROYED: Standing = { is: 'ended', by: 'us', isRegenerated: false };
const REGENERATED: Standing = { is: 'ended', by: 'us', isRegenerated: true };
const ENDED_BY_OTHERS: Standing = { is: 'ended', by: 'others' };

/** What happens to a session in a request. */
export type Event =
  /** The store has created the session, or rotated its secret to the one that the client gets. */
  | { readonly type: 'confirmed' }
  /** The store reports another secret as the current one. */
  | { readonly type: 'superseded' }
  | { readonly type: 'unreachable'; readonly error: SessionStoreError }
  /** `regenerate()` failed, because the client cannot get a new token. */
  | { readonly type: 'left' }
  | { readonly type: 'destroyed' }
  | { readonly type: 'regenerated' }
  /** It was ended elsewhere. `rejection` is the error of a login that was rejected because of that. */
  | { readonly type: 'gone'; readonly rejection?: SessionGoneError };

/** The standing of a session after an event. */
export function after(event: Event, standing: Standing): Standing {
  switch (event.type) {
    case 'destroyed':
      return DESTROYED;
    case 'regenerated':
      return REGENERATED;
    case 'gone':
      return event.rejection ? { is: 'ended', by: 'others', rejection: event.rejection } : ENDED_BY_OTHERS;
  }
  if (standing.is === 'ended' || standing.is === 'left') return standing;
  switch (event.type) {
    case 'confirmed':
      return CURRENT;
    case 'superseded':
      return SUPERSEDED;
    case 'unreachable':
      return { is: 'offline', error: event.error };
    case 'left':
      return { is: 'left', before: standing };
  }
}

/**
 * A call on a session. `joinGroup` is a join with a limit, which acts at once. `group` is any other join or leave, which
 * the store gets only with the next save. `assign` is a change that the commit saves.
 */
export type Call =
  | 'joinGroup'
  | 'save'
  | 'reload'
  | 'destroy'
  | 'regenerate'
  | 'rotate'
  | 'add'
  | 'take'
  | 'group'
  | 'assign';

/** What a call does in a standing: it acts, does nothing, or fails with an error. */
export function verdictOn(call: Call, standing: Standing): 'acts' | 'does nothing' | Error {
  switch (standing.is) {
    case 'new':
      if (call === 'reload') return new SessionGoneError('reload');
      return call === 'rotate' ? 'does nothing' : 'acts';
    case 'current':
      return 'acts';
    case 'superseded':
      return call === 'rotate' ? 'does nothing' : 'acts';
    case 'offline':
      return standing.error;
    case 'left':
      if (call === 'destroy' || call === 'regenerate' || call === 'group')
        return verdictOn(call, standing.before);
      return verdictOnGone(call);
    case 'ended':
      if (call === 'assign' && standing.by === 'others' && standing.rejection) return standing.rejection;
      return verdictOnGone(call);
  }
}

function verdictOnGone(call: Call): 'acts' | 'does nothing' | Error {
  switch (call) {
    case 'joinGroup':
    case 'save':
    case 'reload':
    case 'rotate':
    case 'add':
    case 'take':
      return new SessionGoneError(call);
    // The store knows whether an ended session may still have a successor.
    case 'regenerate':
    case 'group':
      return 'acts';
    case 'destroy':
    case 'assign':
      return 'does nothing';
  }
}
