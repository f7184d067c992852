import type { Context } from '../command.js';
import { EXIT } from '../exit.js';
import { withStatus } from '../status.js';

/** Prints how many live sessions a group has, or how many there are. */
export async function count(
  { store, output, interruption }: Context,
  group: string | undefined,
): Promise<number> {
  const sessions = await withStatus(output, 'Counting', () => interruption.race(store.count(group)));
  await output.json(sessions);
  return EXIT.done;
}
