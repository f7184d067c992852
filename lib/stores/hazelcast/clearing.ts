import type { SessionRecord } from '../../contract/record.js';
import type { Endings } from './endings.js';
import { isLive, type Envelopes } from './envelope.js';
import type { SessionLists } from './lists.js';
import type { JsonMap } from './map.js';
import { readPortion } from './portions.js';

/** Runs one step of a clear under a deadline of its own. */
type Step = <T>(work: (sessions: JsonMap) => Promise<T>) => Promise<T>;

/** How many sessions one step of a clear ends. */
const ENDED_A_STEP = 500;

/** Ends the sessions of a group, or all. */
export class Clearing {
  constructor(
    private readonly envelopes: Envelopes,
    private readonly lists: SessionLists,
    private readonly endings: Endings,
    private readonly step: Step,
    private readonly now: () => number,
  ) {}

  /**
   * Ends the members, and those that were regenerated, which are in the same lists as long as their tombstones are.
   * Then ends the members that were created meanwhile in the place of an ended one. Resolves to how many were live.
   */
  async clear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    const kept = new Set(except);
    for await (const records of this.liveOf([...except])) {
      for (const id of records.flatMap(({ from = [] }) => from)) kept.add(id);
    }

    let ended = 0;
    for await (const keys of this.lists.allKeys(group)) {
      ended += await this.endAll(this.idsOf(keys).filter((id) => !kept.has(id)));
    }
    const joined = this.idsOf(await this.lists.successorKeys(group)).filter((id) => !except.has(id));
    for await (const records of this.liveOf(joined)) {
      const members = records.filter(({ groups }) => group === undefined || groups.includes(group));
      ended += await this.endSuccessors(members);
    }
    return ended;
  }

  private async endSuccessors(records: SessionRecord[]): Promise<number> {
    const origins = records.flatMap(({ from = [] }) => from);
    const gone = await this.step((sessions) => this.endings.endedOf(sessions, origins));
    const ending = records.filter(({ from }) => from?.some((id) => gone.has(id)));
    return this.endAll(ending.map(({ id }) => id));
  }

  private async endAll(ids: string[]): Promise<number> {
    let ended = 0;
    for (let at = 0; at < ids.length; at += ENDED_A_STEP) {
      const some = ids.slice(at, at + ENDED_A_STEP);
      const were = await this.step((sessions) =>
        Promise.all(some.map((id) => this.endings.endListed(sessions, id))),
      );
      ended += were.filter(Boolean).length;
    }
    return ended;
  }

  /** The live sessions with some ids, in portions. */
  private async *liveOf(ids: string[]): AsyncGenerator<SessionRecord[]> {
    for (let keys = ids.map((id) => this.envelopes.keyOf(id)); keys.length > 0;) {
      const { entries, count } = await this.step((sessions) =>
        readPortion(keys, (some) => sessions.getAll(some)),
      );
      keys = keys.slice(count);
      const now = this.now();
      yield entries.flatMap(([key, text]) => {
        const found = text === undefined ? undefined : this.envelopes.read(this.envelopes.idOf(key), text);
        return found && isLive(found, now) ? [found.record] : [];
      });
    }
  }

  private idsOf(keys: string[]): string[] {
    return keys.map((key) => this.envelopes.idOf(key));
  }
}
