import { setTimeout as wait } from 'node:timers/promises';
import type { Deadline } from '../../contract/deadline.js';
import type { SessionStoreOperation } from '../../contract/capabilities.js';
import { ServerClock } from '../shared/clock.js';
import type { RedisConnection } from './connection.js';
import { listKey, sessionKey, type Layout } from './layout.js';
import { INCOMPLETE, type Script } from './script.js';

/** The reply of a script, without the time. */
export type Reply = (string | number | null | Reply)[];

/** After how many milliseconds a script is sent again to a slot that is moving; twice as many after each further time. */
const FIRST_RETRY = 10;
const LAST_RETRY = 160;

/** What to do about a call that has found the keys of its slot on two nodes until its deadline. */
const MOVING =
  'Its slot is moving to another node of the Cluster: try again when it has moved. ' +
  'If no move is running, see `redis-cli --cluster check`';

/** Runs the scripts of a store, which act before their deadline or not at all. */
export class ScriptRunner {
  /** One clock per shard, because the shards of a Cluster are on several servers. */
  private readonly clocks: [ServerClock, ...ServerClock[]];
  /** Hidden when a store is logged, because it has the password. */
  readonly #connection: RedisConnection;

  /** @param late makes the error of a call that is out of time */
  constructor(
    connection: RedisConnection,
    private readonly layout: Layout,
    private readonly late: (operation: SessionStoreOperation, deadline: Deadline) => Error,
  ) {
    this.#connection = connection;
    this.clocks = layout.shards.map(() => new ServerClock()) as [ServerClock];
  }

  /** The time of the server; in a Cluster, of the server with the first shard. */
  now(): number {
    return this.clocks[0].now();
  }

  /** Learns that the server of a shard had this time when it received what was sent at `sentAt`. */
  learn(shard: number, sentAt: number, now: number): void {
    (this.clocks[shard] as ServerClock).learn(sentAt, now);
  }

  /** Runs a script on one session. */
  onSession(
    operation: SessionStoreOperation,
    deadline: Deadline,
    script: Script,
    id: string,
    args: (string | number)[] = [],
  ): Promise<Reply> {
    const shard = this.layout.shardOf(id);
    const hash = sessionKey(this.layout.shards[shard] as string, id);
    return this.run(operation, deadline, shard, script, hash, [id, ...args]);
  }

  /** Runs a script on the list of a group, or of all sessions, of a shard. */
  onList(
    operation: SessionStoreOperation,
    deadline: Deadline,
    script: Script,
    shard: number,
    group: string | undefined,
    args: (string | number)[],
  ): Promise<Reply> {
    const list = listKey(this.layout.shards[shard] as string, group);
    return this.run(operation, deadline, shard, script, list, args);
  }

  /** Runs a script, which acts before the deadline or not at all. */
  async run(
    operation: SessionStoreOperation,
    deadline: Deadline,
    shard: number,
    script: Script,
    key: string,
    args: (string | number)[],
  ): Promise<Reply> {
    const clock = this.clocks[shard] as ServerClock;
    for (let retry = FIRST_RETRY; ;) {
      const sentAt = performance.now();
      const { from, to } = clock.window(deadline);
      const [now, ...reply] = await this.evaluate(operation, script, key, [
        from,
        to,
        this.layout.shards[shard] as string,
        ...args,
      ]);
      clock.learn(sentAt, Number(now));
      if (reply[0] === INCOMPLETE) {
        deadline.advice = MOVING;
        await wait(Math.min(retry, deadline.left));
        retry = Math.min(2 * retry, LAST_RETRY);
      } else if (reply.length > 0) return reply;
      if (deadline.isOver) throw this.late(operation, deadline);
    }
  }

  /** Runs a script by its SHA-1, or sends its source to a server that does not know it. */
  async evaluate(
    operation: SessionStoreOperation,
    { lua, sha }: Script,
    key: string,
    args: (string | number)[],
  ): Promise<Reply> {
    try {
      return (await this.#connection.send(operation, 'EVALSHA', [sha, 1, key, ...args])) as Reply;
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return (await this.#connection.send(operation, 'EVAL', [lua, 1, key, ...args])) as Reply;
    }
  }
}
