import type { Deadline } from '../../contract/deadline.js';
import type { Layout } from './layout.js';
import { COUNT_ALL, COUNT_STEP } from './list.scripts.js';
import type { Reply, ScriptRunner } from './runner.js';

/** How many sessions one step takes, so that no script blocks the server for long. */
const COUNTED_A_STEP = 1000;

/** Counts the live sessions of a group, or all, in the lists of the shards. */
export class Counting {
  /** @param inTime runs one step under a deadline of its own */
  constructor(
    private readonly runner: ScriptRunner,
    private readonly layout: Layout,
    private readonly inTime: <T>(work: (deadline: Deadline) => Promise<T>) => Promise<T>,
  ) {}

  async count(group: string | undefined): Promise<number> {
    const counts = this.layout.shards.map((_, shard) =>
      group === undefined ? this.countAll(shard) : this.countGroup(shard, group),
    );
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  private async countAll(shard: number): Promise<number> {
    const key = `${this.layout.shards[shard]}expiry`;
    const [count] = await this.inTime((deadline) =>
      this.runner.run('count', deadline, shard, COUNT_ALL, key, []),
    );
    return Number(count);
  }

  private async countGroup(shard: number, group: string): Promise<number> {
    let sum = 0;
    let met: Reply[number] | undefined = '0';
    while (met !== undefined) {
      const args: (string | number)[] = [String(met), COUNTED_A_STEP];
      const [count, next]: Reply = await this.inTime((deadline) =>
        this.runner.onList('count', deadline, COUNT_STEP, shard, group, args),
      );
      sum += Number(count);
      met = next;
    }
    return sum;
  }
}
