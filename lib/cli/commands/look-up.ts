import type { SessionRecord } from '../../contract/record.js';
import type { Context } from '../command.js';
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
  if (!record) output.problem(notFound(store.capabilities.secrets));
  return record;
}

/** Does not repeat an id, which may be a credential. */
export function notFound(hasSecrets: boolean): string {
  const what = hasSecrets ? 'id' : 'id or SHA-256';
  return `there is no live session with this ${what}. It may have been destroyed, or have expired`;
}
