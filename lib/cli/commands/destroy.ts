import type { Context } from '../command.js';
import { confirm } from '../confirm.js';
import { EXIT } from '../exit.js';
import { hidesIds } from '../../contract/log-id.js';
import { nameOf } from '../sessions.js';
import { lookUp, notFound } from './look-up.js';

/** Destroys one session. */
export async function destroy(context: Context, name: string, yes: boolean | undefined): Promise<number> {
  const { store, output, interruption } = context;
  // A store whose ids are credentials may be given a hash, and one of express-session destroys any id.
  const id = hidesIds(store.capabilities) ? (await lookUp(context, name))?.id : name;
  if (id === undefined) return EXIT.negative;
  const shownId = nameOf(store, id);
  if (!(await confirm(`Destroy the session ${shownId}?`, yes, output, interruption))) return EXIT.failed;
  if (!(await interruption.race(store.destroy(id)))) {
    output.problem(notFound(store));
    return EXIT.negative;
  }
  if (output.isForPeople) await output.lines([`Destroyed the session ${output.hidden(shownId)}.`]);
  else await output.json({ id: shownId, destroyed: true });
  return EXIT.done;
}
