import type { SessionRecord } from '../../contract/record.js';
import type { Calls } from './calls.js';
import type { Commands } from './commands.js';
import { recordOf, type SessionDocument } from './document.js';
import { mayBeOfOne } from './errors.js';
import { IS_SESSION, LIVE } from './pipelines.js';

/**
 * How many commands run in parallel: enough that a slow one does not block all others, few enough that reads gather.
 */
const AT_ONCE = 4;

/** How many ids a command contains at most. */
const KEYS = 100;

/**
 * The fields of a document, and whether it is a live session. As a filter, that would keep MongoDB from its fastest
 * plan, and cost a third more of the server's time per read.
 */
const WHOLE = {
  secretHash: 1,
  previous: 1,
  data: 1,
  groups: 1,
  createdAt: 1,
  expiresAt: 1,
  from: 1,
  label: 1,
  lastSeenAt: 1,
  client: 1,
  joinedAt: 1,
  joining: 1,
  live: { $and: [IS_SESSION, LIVE] },
};

/** The reads of one command. */
interface Turn {
  ids: Set<string>;
  found: Promise<Map<string, SessionRecord>>;
}

/**
 * Combines reads that wait for the server into one command: a command costs the client and the server much more than
 * one more id in it. Each command is sent after all its reads were called, so they see all earlier writes.
 */
export class Reads {
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];
  private gathering: Turn | undefined;

  constructor(
    private readonly calls: Calls,
    private readonly commands: Commands,
  ) {}

  /** The live session with an id. */
  async read(id: string): Promise<SessionRecord | undefined> {
    if (!this.gathering || this.gathering.ids.size >= KEYS) this.gathering = this.turn();
    const { ids, found } = this.gathering;
    ids.add(id);
    try {
      return (await found).get(id);
    } catch (error) {
      // One of the ids may have caused the error, so each is read alone.
      if (ids.size === 1 || !mayBeOfOne(error)) throw error;
      return (await this.findInTurn(new Set([id]))).get(id);
    }
  }

  private turn(): Turn {
    const ids = new Set<string>();
    return { ids, found: this.findInTurn(ids) };
  }

  private async findInTurn(ids: Set<string>): Promise<Map<string, SessionRecord>> {
    await this.place();
    if (this.gathering?.ids === ids) this.gathering = undefined;
    try {
      return await this.find([...ids]);
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.underWay--;
    }
  }

  /** Waits for a free place. A command that ends passes its place to the one that has waited longest. */
  private async place(): Promise<void> {
    if (this.underWay < AT_ONCE) this.underWay++;
    else await new Promise<void>((resolve) => void this.waiting.push(resolve));
  }

  /** The live sessions with some ids, in one command, or in more if they do not fit into one response. */
  private find(ids: string[]): Promise<Map<string, SessionRecord>> {
    return this.calls.inTime('read', async (send) => {
      const records = new Map<string, SessionRecord>();
      const read = async (some: string[]): Promise<void> => {
        // With `$in`, a single id would not use MongoDB's fastest plan.
        const filter = { _id: some.length === 1 ? some[0] : { $in: some } };
        const query = { filter, projection: WHOLE, limit: some.length };
        const { found, isCut } = await this.commands.findSome<SessionDocument & { live: boolean }>(
          send,
          query,
        );
        for (const document of found) {
          const record = recordOf(document);
          if (document.live) records.set(record.id, record);
        }
        if (!isCut) return;
        const met = new Set(found.map(({ _id }) => _id));
        await read(some.filter((id) => !met.has(id)));
      };
      await read(ids);
      return records;
    });
  }
}
