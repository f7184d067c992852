import type { Context } from '../command.js';
import { confirm } from '../confirm.js';
import { EXIT } from '../exit.js';
import { nameOf } from '../sessions.js';
import { lookUp, notFound } from './look-up.js';

/** Destroys one session. */
export async function destroy(context: Context, name: string, yes: boolean | undefined): Promise<number> {
  const { store, output, interruption } = context;
  const { secrets } = store.capabilities;
  // A store without secrets may be given a hash, and says of any id that it destroyed the session.
  const id = secrets ? name : (await lookUp(context, name))?.id;
  if (id === undefined) return EXIT.negative;
  const shownId = nameOf(store, id);
  if (!(await confirm(`Destroy the session ${shownId}?`, yes, output, interruption.signal)))
    return EXIT.failed;
  if (!(await interruption.race(store.destroy(id)))) {
    output.problem(notFound(secrets));
    return EXIT.negative;
  }
  if (output.isForPeople) await output.lines([`Destroyed the session ${output.hidden(shownId)}.`]);
  else await output.json({ id: shownId, destroyed: true });
  return EXIT.done;
}
