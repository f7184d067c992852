import type { Deadline } from '../../contract/deadline.js';
import type { Layout } from './layout.js';
import { CLEAR_STEP, SUCCESSORS_STEP } from './list.scripts.js';
import type { Reply, ScriptRunner } from './runner.js';
import type { Script } from './script.js';
import { DESTROY, HAS_ENDED } from './session.scripts.js';

/** How many sessions one step takes, so that no script blocks the server for long. */
const CLEARED_A_STEP = 200;

/** The calls of a store that clearing needs. Each runs under a deadline of its own. */
export interface ClearCalls {
  within<T>(work: (deadline: Deadline) => T | PromiseLike<T>): T | PromiseLike<T>;
  /** The sessions that a session came from. None if it is absent. */
  originsOf(id: string): Promise<string[]>;
}

/** What to clear: a group, or all sessions, without those in `kept`. */
export interface Clearance {
  group: string | undefined;
  kept: readonly string[];
}

/** Ends the sessions of a group, or all, and then what they were regenerated into meanwhile. */
export class Clearing {
  constructor(
    private readonly runner: ScriptRunner,
    private readonly layout: Layout,
    private readonly calls: ClearCalls,
    private readonly clearance: Clearance,
  ) {}

  /** Resolves to how many sessions were live. */
  async run(): Promise<number> {
    const origins = await this.calls.within(() =>
      Promise.all(this.clearance.kept.map((id) => this.calls.originsOf(id))),
    );
    const spared = origins.flat();
    const cleared = await this.onEachShard((shard) => this.clear(shard, spared));
    // Only now that all shards are cleared: the sessions that a successor came from may be in several.
    return cleared + (await this.onEachShard((shard) => this.endSuccessors(shard)));
  }

  private async onEachShard(work: (shard: number) => Promise<number>): Promise<number> {
    const counts = await Promise.all(this.layout.shards.map((_, shard) => work(shard)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  private async clear(shard: number, spared: string[]): Promise<number> {
    let sum = 0;
    for await (const ended of this.walk(CLEAR_STEP, shard, this.ofShard(shard, spared))) sum += Number(ended);
    return sum;
  }

  /**
   * Ends the members that came from a session that has ended. Whatever else the first walk has left in the list was
   * kept, or joined meanwhile, so there is little to walk along.
   */
  private async endSuccessors(shard: number): Promise<number> {
    let sum = 0;
    for await (const found of this.walk(SUCCESSORS_STEP, shard, [])) {
      const successors = successorsIn(found as string[]);
      if (successors.length > 0) sum += await this.calls.within((deadline) => this.end(successors, deadline));
    }
    return sum;
  }

  /** Ends those sessions that came from one that has ended. */
  private async end(successors: Successor[], deadline: Deadline): Promise<number> {
    const origins = [...new Set(successors.flatMap(({ from }) => from))];
    const ended = new Set(await this.thoseOf(origins, HAS_ENDED, deadline));
    const late = successors.filter(({ from }) => from.some((id) => ended.has(id)));
    const wereLive = await this.thoseOf(
      late.map(({ id }) => id),
      DESTROY,
      deadline,
    );
    return wereLive.length;
  }

  /** Runs a script on each of these sessions. Resolves to those for which it returned 1. */
  private async thoseOf(ids: string[], script: Script, deadline: Deadline): Promise<string[]> {
    const replies = await Promise.all(ids.map((id) => this.runner.onSession('clear', deadline, script, id)));
    return ids.filter((_, at) => replies[at]?.[0] === 1);
  }

  /** Walks along a list as far as it reaches at first. Yields the result of each step. */
  private async *walk(script: Script, shard: number, ids: string[]): AsyncGenerator<Reply[number]> {
    const kept = this.ofShard(shard, this.clearance.kept);
    let met: Reply[number] | undefined = '0';
    let last: Reply[number] | undefined = '';
    while (met !== undefined) {
      const args = [String(met), String(last), CLEARED_A_STEP, kept.length, ...kept, ...ids];
      const step: Reply = await this.calls.within((deadline) =>
        this.runner.onList('clear', deadline, script, shard, this.clearance.group, args),
      );
      yield step[0] as Reply[number];
      [, met, last] = step;
    }
  }

  private ofShard(shard: number, ids: readonly string[]): string[] {
    return ids.filter((id) => this.layout.shardOf(id) === shard);
  }
}

interface Successor {
  id: string;
  from: string[];
}

/** The successors in a result, where each is followed by the sessions that it came from, as JSON. */
function successorsIn(words: string[]): Successor[] {
  return words.flatMap((id, at) =>
    at % 2 === 0 ? [{ id, from: JSON.parse(words[at + 1] as string) as string[] }] : [],
  );
}
