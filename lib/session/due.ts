import type { Due } from './commit.js';
import { LiveSession } from './live-session.js';
import type { Save } from './save-plan.js';
import type { SessionState } from './state.js';
import type { SessionUnit } from './unit.js';

/**
 * What a commit must send to the store now; `undefined` if that is nothing. Throws if something must be saved, but cannot
 * be.
 *
 * @param isCached whether the session came from the cache
 */
export function dueOf(unit: SessionUnit, isCached: boolean): Due | undefined {
  const saves = dueSaveOf(unit);
  const rotates = unit.dueRotation(isCached);
  if (!rotates) return saves;
  // Its outcome decides whether the client may get a cookie.
  return () => rotates().then(() => dueSaveOf(unit)?.());
}

function dueSaveOf(unit: SessionUnit): Due | undefined {
  const pending = pendingSave(unit);
  if (pending) return () => unit.send(pending.state, pending.save);
  const removed = removedSession(unit);
  return removed && (() => unit.destroy(removed));
}

/** The save that is needed now. Also throws if something that the handler set is lost, because `regenerate` failed. */
export function pendingSave(unit: SessionUnit): { state: SessionState; save: Save } | undefined {
  unit.checkNothingIsLost();
  const session = unit.placed();
  const state = session && LiveSession.stateOf(session);
  const due = state && unit.saveOf(session!, state, 'commit');
  return due && { state: state!, save: due };
}

/** The session to destroy because the handler has removed it. */
function removedSession({ config, client, state }: SessionUnit): SessionState | undefined {
  if (config.unset === 'keep' || (client.holder.session ?? undefined) !== undefined) return undefined;
  return (state?.record || state?.standing.is === 'offline') && !state.isOver ? state : undefined;
}
