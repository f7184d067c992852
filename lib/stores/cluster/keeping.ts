import { checkWord } from '../../contract/option-checks.js';
import type { Durability } from './journal/file.js';

/** Where sessions are kept besides the memory. */
export interface Keeping {
  directory: string;
  durability: Durability;
  /** How long to wait for a directory that another process uses, in milliseconds. */
  timeout: number;
}

interface KeepingOptions {
  directory: string | undefined;
  durability: Durability | undefined;
  timeout: number;
}

/** Checks the options about a directory. Returns `undefined` without one. */
export function checkKeeping({ directory, durability, timeout }: KeepingOptions): Keeping | undefined {
  if (durability !== undefined) checkWord('durability', durability, ['process', 'disk']);
  if (directory === undefined) {
    if (durability !== undefined)
      throw new TypeError('durability needs a directory: write { directory, durability }');
    return undefined;
  }
  if (typeof directory !== 'string' || directory === '') {
    throw new TypeError("directory must be the path of a directory: write one such as '.sessions'");
  }
  return { directory, durability: durability ?? 'process', timeout };
}
