import type { Examination } from '../command.js';
import { EXIT } from '../exit.js';

export async function doctor(
  { output }: Examination,
  _flags: { hazelcastConfig?: string; verbose?: boolean },
): Promise<number> {
  output.note('not yet');
  return EXIT.failed;
}
