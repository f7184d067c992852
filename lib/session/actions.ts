import { isStoreError, SessionGoneError } from '../contract/errors.js';
import { checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import type { SessionRecord } from '../contract/record.js';
import { isReadable } from './admission.js';
import { hasChanges } from './changes.js';
import { noTokenError } from './client.js';
import type { SessionConfig } from './config.js';
import { GRACE } from './due-rotation.js';
import { isTooOld } from './expiry.js';
import { LiveSession } from './live-session.js';
import { stateAgain } from './new-state.js';
import { refreshCookie, rotate as rotateSecret } from './rotation.js';
import type { RotateOptions } from './session.js';
import type { SessionState } from './state.js';
import type { SessionUnit } from './unit.js';

/** What a handler can do with its session. Each call runs after those before it. */

/** Saves the changes. Stores a new session even if it is empty. */
export function save(unit: SessionUnit, session: LiveSession): Promise<void> {
  const state = LiveSession.stateOf(session);
  return unit.calls.run(async () => {
    // `regenerate` or `reload` has put another session into the same object, with its own data.
    if (!state.isOver && LiveSession.stateOf(session) !== state) return;
    state.acts('save');
    await saveNow(unit, session, state, 'save');
  });
}

/** Saves the changes of `session` for an operation. Rejects with a `SessionGoneError` if the session has ended. */
export async function saveNow(
  unit: SessionUnit,
  session: LiveSession,
  state: SessionState,
  operation: string,
): Promise<void> {
  const due = unit.saveOf(session, state, 'save()');
  if (due && !(await unit.send(state, due))) throw new SessionGoneError(operation);
}

/** The state with which a call acts: that of the same session, which a `reload` has read again meanwhile. */
export function stateNow(session: LiveSession, called: SessionState): SessionState {
  const current = LiveSession.stateOf(session);
  if (current.id === called.id) return current;
  // `regenerate` has put another session into the object, with its own data. The old one was never stored.
  if (!called.record && !called.isOver) throw new SessionGoneError('regenerate');
  return called;
}

/** Reads the session again, into the same object or a new one. */
export function reload(unit: SessionUnit, session: LiveSession, inPlace: boolean): Promise<void> {
  const state = LiveSession.stateOf(session);
  return unit.calls.run(async () => {
    const record = await recordOf(unit, state);
    if (isStill(unit, session, state)) use(unit, session, state, record, inPlace);
  });
}

/** As `reload`, into the same object. Resolves to `false`, and changes nothing, if that has unsaved changes by then. */
export function reloadUnchanged(unit: SessionUnit, session: LiveSession): Promise<boolean> {
  const state = LiveSession.stateOf(session);
  return unit.calls.run(async () => {
    const record = await recordOf(unit, state);
    if (!isStill(unit, session, state)) return true;
    if (hasChanges(session, state, unit.config)) return false;
    use(unit, session, state, record, true);
    return true;
  });
}

async function recordOf({ config }: SessionUnit, state: SessionState): Promise<SessionRecord> {
  state.acts('reload');
  const record = await config.store.read(state.id);
  if (!record || !isUsable(record, state.id, config)) throw new SessionGoneError('reload');
  return record;
}

/** Whether no other call has put another session into the object, or has removed it meanwhile. */
function isStill({ client }: SessionUnit, session: LiveSession, state: SessionState): boolean {
  return LiveSession.stateOf(session) === state && client.holder.session !== undefined;
}

/** Makes a record that was read again the session, in the same object or a new one. */
function use(
  unit: SessionUnit,
  session: LiveSession,
  before: SessionState,
  record: SessionRecord,
  inPlace: boolean,
): void {
  const fresh = stateAgain(unit.config, unit.client, record, before);
  if (inPlace) {
    LiveSession.takeData(session);
    LiveSession.setState(session, fresh);
  }
  unit.place(inPlace ? session : LiveSession.of(session, fresh), fresh, record);
}

function isUsable(record: SessionRecord, id: string, { store, absoluteTimeout }: SessionConfig): boolean {
  return isReadable(record, id) && !isTooOld(record.createdAt, absoluteTimeout, store.now());
}

/** Destroys the session. It is no longer the current one, unless the store fails. */
export function destroy(unit: SessionUnit, session: LiveSession): Promise<void> {
  const { holder } = unit.client;
  const state = LiveSession.stateOf(session);
  const isCurrent = holder.session === session;
  if (isCurrent) delete holder.session;
  return unit.calls.run(async () => {
    try {
      await unit.destroy(state);
    } catch (error) {
      if (isCurrent && holder.session === undefined) holder.session = session;
      throw error;
    }
  });
}

/** Destroys the session and puts an empty one in its place, in the same object or a new one. */
export function regenerate(unit: SessionUnit, session: LiveSession, inPlace: boolean): Promise<void> {
  const old = LiveSession.stateOf(session);
  const can = unit.client.canGiveToken();
  if (can !== true) {
    // Later assignments were meant for the new session, and must not reach the old one.
    old.note({ type: 'left' });
    return Promise.reject(noTokenError('regenerate', can));
  }
  let state: SessionState;
  try {
    state = unit.newState();
  } catch (error) {
    return Promise.reject(error);
  }
  if (inPlace) return regenerateInPlace(unit, session, old, state);
  return unit.calls.run(async () => {
    try {
      await unit.endForSuccessor(old, state);
    } catch (error) {
      if (isStoreError(error)) old.note({ type: 'unreachable', error });
      throw error;
    }
    state.takeOverJoins(old);
    unit.place(LiveSession.of(session, state), state);
  });
}

function regenerateInPlace(
  unit: SessionUnit,
  session: LiveSession,
  old: SessionState,
  state: SessionState,
): Promise<void> {
  // At once, so that later assignments belong to the new session even if the handler does not await this call.
  const restore = LiveSession.takeData(session);
  LiveSession.setState(session, state);
  state.takeOverJoins(old);
  unit.place(session, state);
  const joined = state.groups.names().length;
  return unit.calls.run(async () => {
    try {
      await unit.endForSuccessor(old, state);
    } catch (error) {
      // Changes that were meant for the new session must not reach the old one, or be lost unnoticed.
      if (isStoreError(error)) for (const one of [state, old]) one.note({ type: 'unreachable', error });
      const isCurrent = LiveSession.stateOf(session) === state;
      const isEmpty = Object.keys(session).length === 1 && state.groups.names().length === joined;
      if (!isCurrent || !isEmpty) unit.lose(error);
      if (isCurrent) {
        restore();
        unit.restore(session, old);
      }
      throw error;
    }
  });
}

/** Gives the client a new secret for the same session. */
export async function rotate(
  unit: SessionUnit,
  session: LiveSession,
  options: RotateOptions = {},
): Promise<void> {
  checkOptionsObject('rotate', options, '{ grace: 30_000 }');
  const { grace = GRACE, ...others } = options;
  checkNoOthers('rotate', others, 'grace');
  const { config, client } = unit;
  if (unit.isPassive) return;
  const can = client.canGiveToken();
  if (can !== true) throw noTokenError('rotate', can);
  return unit.calls.run(async () => {
    const state = LiveSession.stateOf(session);
    if (!state.acts('rotate')) return;
    const token = state.token!;
    // A record keeps only one previous secret, and slower requests may still carry the one that it keeps now.
    if (grace > 0 && config.store.now() < token.graceEnds) return;

    const outcome = await rotateSecret(state, state.record!, token.secretHash, grace, config);
    if (outcome === 'gone') {
      state.note({ type: 'gone' });
      throw new SessionGoneError('rotate');
    }
    if (outcome === 'superseded') return;
    unit.giveToken(state);
    await refreshCookie(state, config);
  });
}
