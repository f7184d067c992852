import type { Calls } from './calls.js';
import type { Commands } from './commands.js';
import { MARK } from './document.js';
import { between, liveIn, type Range } from './filters.js';
import { LIVE, within } from './pipelines.js';
import { ENDED, ENDING } from './tombstones.js';

/** How many sessions one step of clearing takes, so that each step ends well within its deadline. */
const STEP = 500;

/** A session, or the tombstone of one that was regenerated: its id and, if selected, the ids in `from`. */
interface Member {
  _id: string;
  from?: string[];
}

/** Destroys the sessions of a group, or all. */
export class Clearing {
  constructor(
    private readonly calls: Calls,
    private readonly commands: Commands,
  ) {}

  /** Resolves to how many of them were live. */
  async clear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    const [kept, last] = await Promise.all([this.withOrigins(except), this.last(group)]);
    if (last === undefined) return this.end(group, []);
    let sum = 0;
    for await (const met of this.walk(group, { _id: 1 }, last)) {
      const ids = met.map(({ _id }) => _id);
      sum += await this.end(
        group,
        ids.filter((id) => !kept.has(id)),
      );
    }
    return sum + (await this.endSuccessors(group, except));
  }

  /**
   * Destroys the members that came from sessions which have ended. They were created meanwhile, where the first walk had
   * passed. A successor that this walk misses, too, is created when the first walk is over, and finds those sessions
   * ended. Members that the first walk has ended are not met again.
   */
  private async endSuccessors(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    let sum = 0;
    for await (const met of this.walk(group, { from: 1 })) {
      const successors = met.filter(({ _id, from }) => from && !except.has(_id));
      const ended = await this.endedOf(successors.flatMap(({ from = [] }) => from));
      const ids = successors
        .filter(({ from = [] }) => from.some((id) => ended.has(id)))
        .map(({ _id }) => _id);
      if (ids.length > 0) sum += await this.end(group, ids);
    }
    return sum;
  }

  /**
   * Puts tombstones in the place of those sessions that are in the group, if there is one, and in that of those that
   * were regenerated. Resolves to how many were live. It sends a command even without ids: another call may have
   * destroyed the sessions that were not found, and that is only final when the majority has acknowledged it.
   */
  private async end(group: string | undefined, ids: string[]): Promise<number> {
    // A new session may have taken the id of a member that has expired since it was found.
    const filter = { ...between({ group }), _id: { $in: ids } };
    let sum = 0;
    await this.calls.writeInTime('clear', this.calls.timeIf(filter), async (send, window) => {
      const ended = await this.commands.updateAll(send, { ...filter, ...liveIn(window) }, ENDING);
      sum += ended;
      if (ended === ids.length) return true;
      // Those that were regenerated; and those that have expired by this server's clock, because they might be live by
      // that of the next primary.
      const others = { ...filter, $expr: { $and: [{ $not: [LIVE] }, within(window)] } };
      await this.commands.updateAll(send, others, ENDING);
      return undefined;
    });
    return sum;
  }

  /**
   * Some ids, and those of the sessions that they came from. An origin that was regenerated stays so, or its successor
   * could not be regenerated in turn.
   */
  private async withOrigins(ids: ReadonlySet<string>): Promise<Set<string>> {
    const kept = new Set(ids);
    const all = [...ids];
    for (let at = 0; at < all.length; at += STEP) {
      const some = all.slice(at, at + STEP);
      const filter = { ...MARK, _id: { $in: some } };
      for (const { from = [] } of (await this.find(filter, { from: 1 }, some.length)).found)
        for (const id of from) kept.add(id);
    }
    return kept;
  }

  /** Those of some ids that have ended. */
  private async endedOf(ids: string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const { found } = await this.find({ ...ENDED, _id: { $in: ids } }, { _id: 1 }, ids.length);
    return new Set(found.map(({ _id }) => _id));
  }

  /**
   * The members in the order of their ids, some at a time, also those that have expired. It does not wait for members
   * that join after the last id, or growing ids would keep it going forever. `last` is read if it is absent and there
   * are many.
   */
  private async *walk(
    group: string | undefined,
    projection: Record<string, 1>,
    last?: string,
  ): AsyncGenerator<Member[], void> {
    let range: Range = { group, last };
    for (;;) {
      const { found, isCut } = await this.find(between(range), projection, STEP);
      yield found;
      if (found.length < STEP && !isCut) return;
      range = { group, after: idOf(found.at(-1)), last: range.last ?? (await this.last(group)) };
      if (range.last === undefined) return;
    }
  }

  /** The last id of a group, or of all. `undefined` if there is none. */
  private async last(group: string | undefined): Promise<string | undefined> {
    return idOf((await this.find(between({ group }), { _id: 1 }, 1, -1)).found[0]);
  }

  private find(
    filter: Record<string, unknown>,
    projection: Record<string, 1>,
    limit: number,
    order: 1 | -1 = 1,
  ): Promise<{ found: Member[]; isCut: boolean }> {
    const query = { filter, projection, sort: { _id: order }, limit };
    return this.calls.inTime('clear', (send) => this.commands.findSome<Member>(send, query));
  }
}

function idOf(member: Member | undefined): string | undefined {
  const { _id: id } = member ?? {};
  return id;
}
