import type { Calls } from './calls.js';
import type { Commands } from './commands.js';
import { between, liveIn, type Range } from './filters.js';
import { LIVE, within } from './pipelines.js';

/** How many sessions one step of clearing takes, so that each step ends well within its deadline. */
const STEP = 500;

/** Destroys the sessions of a group, or all. */
export class Clearing {
  constructor(
    private readonly calls: Calls,
    private readonly commands: Commands,
  ) {}

  /** Resolves to how many of them were live. */
  async clear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    // Sessions that join after the last id are not waited for, or growing ids would keep this going forever.
    const [last] = await this.ids({ group }, { sort: -1, limit: 1 });
    if (last === undefined) return this.end(group, []);
    let sum = 0;
    let after: string | undefined;
    do {
      const met = await this.ids({ group, after, last }, { sort: 1, limit: STEP });
      sum += await this.end(
        group,
        met.filter((id) => !except.has(id)),
      );
      after = met.length < STEP ? undefined : met.at(-1);
    } while (after !== undefined);
    return sum;
  }

  /**
   * Destroys those sessions that are in the group, if there is one. Resolves to how many were live. It sends a command
   * even without ids: another call may have destroyed the sessions that were not found, and that is only final when the
   * majority has acknowledged it.
   */
  private async end(group: string | undefined, ids: string[]): Promise<number> {
    // A new session may have taken the id of a member that has expired since it was found.
    const filter = { ...between({ group }), _id: { $in: ids } };
    let sum = 0;
    await this.calls.writeInTime('clear', this.calls.timeIf(filter), async (send, window) => {
      const ended = await this.commands.delete(send, { ...filter, ...liveIn(window) });
      sum += ended;
      if (ended === ids.length) return true;
      // Sessions that have expired by this server's clock are removed too: they might be live by that of the next
      // primary.
      await this.commands.delete(send, { ...filter, $expr: { $and: [{ $not: [LIVE] }, within(window)] } });
      return undefined;
    });
    return sum;
  }

  /** Some ids in order. Includes those of expired sessions. */
  private async ids(range: Range, { sort, limit }: { sort: 1 | -1; limit: number }): Promise<string[]> {
    const query = { filter: between(range), projection: { _id: 1 }, sort: { _id: sort }, limit };
    const found = await this.calls.inTime('clear', (send) =>
      this.commands.findAll<{ _id: string }>(send, query),
    );
    return found.map(({ _id }) => _id);
  }
}
