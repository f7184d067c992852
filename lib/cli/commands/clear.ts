import type { Context } from '../command.js';
import { confirm } from '../confirm.js';
import { EXIT } from '../exit.js';
import { withStatus } from '../status.js';

/** Destroys the sessions of a group; without a group, all sessions. */
export async function clear(
  { store, output, interruption }: Context,
  group: string | undefined,
  yes: boolean | undefined,
): Promise<number> {
  if (!yes) {
    const live = await withStatus(output, 'Counting', () => interruption.race(store.count(group)));
    const which =
      group === undefined ? `ALL ${sessions(live)}` : `the ${sessions(live)} of the group "${group}"`;
    if (!(await confirm(`Destroy ${which}?`, yes, output, interruption))) return EXIT.failed;
  }
  const destroyed = await withStatus(output, 'Clearing', () => interruption.race(store.clear(group)));
  if (output.isForPeople) await output.lines([`Destroyed ${sessions(destroyed)}.`]);
  else await output.json({ destroyed });
  return EXIT.done;
}

function sessions(count: number): string {
  return count === 1 ? '1 session' : `${count} sessions`;
}
