import type { SessionRecord } from '../../contract/record.js';
import type { Commands } from './commands.js';
import type { Send } from './connection.js';
import { recordOf, type SessionDocument } from './document.js';
import { between, type Range } from './filters.js';
import { LIVE } from './pipelines.js';

/** How many characters a page has at most, before its last session. */
const MOST = 4 * 1024 * 1024;

/**
 * Reads pages of about 4 MiB. MongoDB can only limit how many documents a response has, and cuts it at 16 MB, so the
 * sessions that were read last show how many fit into a page.
 */
export class Pages {
  /** How many characters the largest session of the last response has. At first as many as large ones have. */
  private largest = MOST / 4;

  constructor(private readonly commands: Commands) {}

  /** Up to `limit` live sessions of a range; fewer if they are large. */
  async read(
    send: Send,
    range: Range,
    limit: number,
  ): Promise<{ records: SessionRecord[]; isLast: boolean }> {
    const records: SessionRecord[] = [];
    let characters = 0;
    for (;;) {
      const after = records.at(-1)?.id ?? range.after;
      const fitting = Math.ceil((MOST - characters) / this.largest);
      const some = Math.min(fitting, limit - records.length);
      const { found, isCut } = await this.commands.findSome<SessionDocument>(send, {
        filter: { ...between({ ...range, after }), $expr: LIVE },
        sort: { _id: 1 },
        limit: some,
      });
      const met = found.map(recordOf);
      const sizes = met.map(charactersOf);
      records.push(...met);
      characters += sizes.reduce((sum, size) => sum + size, 0);
      if (sizes.length > 0) this.largest = Math.max(...sizes);
      if (found.length < some && !isCut) return { records, isLast: true };
      if (records.length >= limit || characters >= MOST) return { records, isLast: false };
    }
  }
}

function charactersOf({ id, data, groups, from = [] }: SessionRecord): number {
  let characters = id.length;
  for (const name in data) characters += name.length + (data[name] as string).length;
  for (const text of [...groups, ...from]) characters += text.length;
  return characters;
}
