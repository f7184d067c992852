import type { SessionRecord } from '../../contract/record.js';
import type { Commands } from './commands.js';
import type { Send } from './connection.js';
import { recordOf, type SessionDocument } from './document.js';
import { between, type Range } from './filters.js';
import { LIVE } from './pipelines.js';

/** How many characters of data a page has at most, before its last session. */
const CHARACTERS = 4 * 1024 * 1024;

/** How many sessions are read before their size is known: few, as each may have 1 MiB. */
const FIRST = 4;

/**
 * Up to `limit` live sessions of a range; fewer if they are large. MongoDB can only limit how many documents a response
 * has, so the first few show how many more fit into the page.
 */
export async function page(
  commands: Commands,
  send: Send,
  range: Range,
  limit: number,
): Promise<{ records: SessionRecord[]; isLast: boolean }> {
  const records: SessionRecord[] = [];
  let characters = 0;
  let some = Math.min(FIRST, limit);
  for (;;) {
    const after = records.at(-1)?.id ?? range.after;
    const { found, isCut } = await commands.findSome<SessionDocument>(send, {
      filter: { ...between({ ...range, after }), $expr: LIVE },
      sort: { _id: 1 },
      limit: some,
    });
    for (const document of found) {
      const record = recordOf(document);
      records.push(record);
      characters += charactersOf(record);
    }
    if (found.length < some && !isCut) return { records, isLast: true };
    if (records.length >= limit || characters >= CHARACTERS) return { records, isLast: false };
    const fit = Math.ceil((CHARACTERS - characters) / (characters / records.length));
    some = Math.min(fit, limit - records.length);
  }
}

function charactersOf({ id, data, groups, from = [] }: SessionRecord): number {
  let characters = id.length;
  for (const name in data) characters += name.length + (data[name] as string).length;
  for (const text of [...groups, ...from]) characters += text.length;
  return characters;
}
