import type { SessionRecord } from '../../contract/record.js';
import type { SessionStore } from '../../contract/store.js';
import type { Context } from '../command.js';
import { hidesIds } from '../../contract/log-id.js';
import { find } from '../sessions.js';
import { withStatus } from '../status.js';

/** The live session with an id or a printed hash. If there is none, says so, and resolves to `undefined`. */
export async function lookUp(
  { store, output, interruption }: Context,
  name: string,
): Promise<SessionRecord | undefined> {
  const record = await withStatus(output, 'Looking', (more) =>
    interruption.race(find(store, name, (count) => more(`${count} sessions compared`))),
  );
  if (!record) output.problem(notFound(store));
  return record;
}

/** Does not repeat an id, which may be a credential. */
export function notFound(store: SessionStore): string {
  const what = hidesIds(store.capabilities) ? 'id or SHA-256' : 'id';
  return `there is no live session with this ${what}. It may have been destroyed, or have expired`;
}
