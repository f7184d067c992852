import { JournalFile, closedOnFailure } from './file.js';
import { encodeEntry } from './format.js';
import { entriesOf, sizeOf, type JournaledState } from './state.js';

/** All that was live after an entry. */
export interface Snapshot {
  state: JournaledState;
  /** The number of that entry. */
  last: number;
}

/** How many characters are encoded in one turn of the event loop. */
const CHARACTERS_PER_TURN = 256 * 1024;

/**
 * Writes a file that holds a snapshot alone. Its entries have the numbers up to `last`, so that the entries after the
 * snapshot can be copied as they are: there are at least as many before, because each wrote one session or tombstone.
 */
export async function writeSnapshot(path: string, { state, last }: Snapshot): Promise<JournalFile> {
  let number = last - sizeOf(state) + 1;
  const file = await JournalFile.create(path, number);
  return closedOnFailure(file, async () => {
    let text = '';
    for (const entry of entriesOf(state)) {
      text += encodeEntry(number++, entry);
      if (text.length < CHARACTERS_PER_TURN) continue;
      await file.append(text);
      text = '';
    }
    await file.append(text);
    await file.acknowledge(last);
  });
}
