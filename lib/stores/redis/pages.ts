import { notNext } from '../../contract/checks.js';
import type { Deadline } from '../../contract/deadline.js';
import type { SessionPage, SessionPageOptions, SessionRecord } from '../../contract/record.js';
import { recordOf, type Layout } from './layout.js';
import { PAGE_STEP } from './list.scripts.js';
import type { Reply, ScriptRunner } from './runner.js';

/** A page ends after the session with which it has this many bytes. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** How many sessions one step reads, so that no script blocks the server for long. */
const READ_A_STEP = 250;

/** A shard, and the place in its list. */
interface Position {
  shard: number;
  met: string;
}

/** Reads pages of sessions from the lists of the shards, one shard after another. */
export class Pages {
  /** @param find reads one session, from whichever node has it */
  constructor(
    private readonly runner: ScriptRunner,
    private readonly layout: Layout,
    private readonly find: (id: string) => Promise<SessionRecord | undefined>,
  ) {}

  async page({ group, after, limit }: SessionPageOptions, deadline: Deadline): Promise<SessionPage> {
    const records: SessionRecord[] = [];
    let position: Position | undefined =
      after === undefined ? { shard: 0, met: '0' } : this.positionIn(after);
    let left = PAGE_BYTES;
    while (position && records.length < limit && left > 0) {
      const { shard, met }: Position = position;
      const args = [met, Math.min(READ_A_STEP, limit - records.length), left];
      const [next, bytes, ...found] = await this.runner.onList(
        'page',
        deadline,
        PAGE_STEP,
        shard,
        group,
        args,
      );
      for (const record of await this.recordsIn(found)) {
        // A session may have left the group since it was listed, or have the id of an expired member.
        if (record && (group === undefined || record.groups.includes(group))) records.push(record);
      }
      left -= Number(bytes);
      position = next === '' ? this.startOf(shard + 1) : { shard, met: String(next) };
    }
    return position ? { records, next: `${position.shard}:${position.met}` } : { records };
  }

  /** The records in a reply: each id is followed by its fields, or by nothing if another node may have the session. */
  private recordsIn(found: Reply): Promise<(SessionRecord | undefined)[]> {
    return Promise.all(
      found.flatMap((id, at) => {
        if (at % 2 === 1) return [];
        const fields = found[at + 1] as string[] | null;
        return [fields ? recordOf(id as string, fields) : this.find(id as string)];
      }),
    );
  }

  private startOf(shard: number): Position | undefined {
    return shard < this.layout.shards.length ? { shard, met: '0' } : undefined;
  }

  /** The position in the `next` of a page. */
  private positionIn(after: string): Position {
    const [, shard, met] = /^(\d{1,2}):(\d{1,16})$/.exec(after) ?? [];
    if (met === undefined || Number(shard) >= this.layout.shards.length) {
      throw notNext();
    }
    return { shard: Number(shard), met };
  }
}
