import type { Cluster, Redis } from 'ioredis';
import { ServerClock } from '../shared/clock.js';
import { checkTimeout, withDeadline } from '../../contract/deadline.js';
import { SessionStoreError } from '../../contract/errors.js';
import { Opening } from '../../contract/opening.js';
import {
  checkChange,
  checkGroup,
  checkId,
  checkPage,
  checkRecord,
  checkRotation,
  exceptIds,
} from '../../contract/record.js';
import {
  SessionStore,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
} from '../../contract/store.js';
import { checkNoOthers, checkPrefix } from '../../contract/options.js';
import { RedisConnection, type RedisConnectionOptions } from './connection.js';
import { Layout, fieldsOf, listKey, recordOf, sessionKey, setFields, removedFields } from './layout.js';
import {
  CLEAR_STEP,
  COUNT_ALL,
  COUNT_STEP,
  CREATE,
  DESTROY,
  ROTATE,
  TIME,
  UPDATE,
  type Script,
} from './scripts.js';

/** Where sessions are kept, and how long a call may take. */
export interface RedisStoreOptions extends RedisConnectionOptions {
  /** What all keys start with; `session:` by default. Stores of one prefix share their sessions. */
  prefix?: string;
  /** How long a call waits for the server, in milliseconds; 2 000 by default. */
  timeout?: number;
}

/** How many members one step of counting or clearing takes, so that a script never holds up the server for long. */
const COUNTED_A_STEP = 1000;
const CLEARED_A_STEP = 200;

/** What a script answered, behind the time. */
type Answer = (string | number | null)[];

/**
 * Sessions in Redis (6.2 or newer, or Valkey): one server, Sentinel or Cluster. Each write is one script on one slot,
 * which acts whole, or not at all once its caller has given up.
 */
export class RedisStore extends SessionStore {
  private readonly connection: RedisConnection;
  private readonly layout: Layout;
  private readonly timeout: number;
  /** One for each shard: in a Cluster they are on several servers. */
  private readonly clocks: ServerClock[];
  private readonly opening = new Opening();

  constructor(options: RedisStoreOptions) {
    super();
    const { prefix = 'session:', timeout, client, url, redisOptions, cluster, ...others } = options ?? {};
    checkNoOthers('RedisStore', others, 'client, url, redisOptions, cluster, prefix and timeout');
    checkPrefix(prefix);
    this.timeout = checkTimeout(timeout);
    this.connection = new RedisConnection({ client, url, redisOptions, cluster }, this.timeout);
    this.layout = new Layout(prefix, this.connection.isCluster);
    this.clocks = this.layout.shards.map(() => new ServerClock());
  }

  override open(): Promise<void> {
    return this.opening.open(() => this.connect());
  }

  override close(): Promise<void> {
    return this.opening.close(() => this.connection.close());
  }

  async create(record: SessionRecord): Promise<void> {
    checkRecord(record);
    const fields = fieldsOf(record);
    const groups = new Set(record.groups);
    const [isCreated] = await this.act('create', CREATE, record.id, [
      record.secretHash,
      record.expiresAt,
      fields.length,
      ...fields,
      ...groups,
    ]);
    if (isCreated === 1) return;
    throw new SessionStoreError(
      'redis',
      'create',
      'the id is in use by another session: genid must never give one twice',
    );
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    checkId(id);
    return this.find('read', id);
  }

  async update(
    { id }: SessionRecord,
    change: SessionChange,
  ): Promise<{ expiresAt: number; secretHash: string } | undefined> {
    checkId(id);
    checkChange(change);
    const { set, remove = [], join = [], leave = [], expiresAt, touch, retirePrevious } = change;
    const sets = set ? setFields(set) : [];
    const removals = removedFields(remove);
    const [isLive, expires, secretHash] = await this.act('update', UPDATE, id, [
      expiresAt ?? '',
      touch?.from ?? '',
      touch?.to ?? '',
      retirePrevious?.secretHash ?? '',
      retirePrevious?.validUntil ?? '',
      sets.length,
      removals.length,
      join.length,
      ...sets,
      ...removals,
      ...join,
      ...leave,
    ]);
    return isLive ? { expiresAt: Number(expires), secretHash: secretHash as string } : undefined;
  }

  async rotate(
    { id }: SessionRecord,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    checkRotation(id, presented, secretHash, grace);
    const [isLive, current] = await this.act('rotate', ROTATE, id, [presented, secretHash, grace]);
    return isLive ? (current as string) : undefined;
  }

  async destroy(id: string): Promise<boolean> {
    checkId(id);
    const [wasLive] = await this.act('destroy', DESTROY, id, []);
    return wasLive === 1;
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    checkPage(options);
    const { group, limit } = options;
    const records: SessionRecord[] = [];
    let { shard, met } =
      options.after === undefined ? { shard: 0, met: '0' } : this.positionIn(options.after);

    for (; shard < this.layout.shards.length; shard++, met = '0') {
      for (;;) {
        const wanted = limit - records.length;
        const members = await this.members(shard, group, met, wanted);
        const found = await Promise.all(members.map(([id]) => this.find('page', id)));
        // It may have ended or left since it was listed.
        for (const record of found) {
          if (record && (group === undefined || record.groups.includes(group))) records.push(record);
        }
        if (members.length < wanted) break;
        met = (members.at(-1) as Member)[1];
        if (records.length === limit) return { records, next: `${shard}:${met}` };
      }
    }
    return { records };
  }

  async count(group?: string): Promise<number> {
    if (group !== undefined) checkGroup(group);
    const counts = this.layout.shards.map((_, shard) =>
      group === undefined ? this.countAll(shard) : this.countGroup(shard, group),
    );
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  async clear(group?: string, except?: Iterable<string>): Promise<number> {
    if (group !== undefined) checkGroup(group);
    const kept = [...exceptIds(except)];
    const ended = this.layout.shards.map((_, shard) => this.clearShard(shard, group, kept));
    return (await Promise.all(ended)).reduce((sum, count) => sum + count, 0);
  }

  private async connect(): Promise<void> {
    await this.connection.open();
    try {
      await Promise.all(this.layout.shards.map((_, shard) => this.learnTime(shard)));
    } catch (error) {
      await this.connection.close();
      throw error;
    }
  }

  /** Asks a shard's server for its time, and whether it runs scripts at all. */
  private async learnTime(shard: number): Promise<void> {
    const asked = performance.now();
    const answer = await this.ask('open', (client) =>
      evaluate(client, TIME, listKey(this.layout.shards[shard] as string, undefined), [1, 0]),
    );
    (this.clocks[shard] as ServerClock).learn(asked, Number(answer[0]));
  }

  private async find(operation: string, id: string): Promise<SessionRecord | undefined> {
    const hash = sessionKey(this.layout.shards[this.layout.shardOf(id)] as string, id);
    return recordOf(id, await this.ask(operation, (client) => client.hgetall(hash)));
  }

  private async countAll(shard: number): Promise<number> {
    const [count] = await this.run('count', shard, COUNT_ALL, `${this.layout.shards[shard]}expiry`, []);
    return Number(count);
  }

  private async countGroup(shard: number, group: string): Promise<number> {
    const list = listKey(this.layout.shards[shard] as string, group);
    let sum = 0;
    let met: Answer[number] | undefined = '0';
    while (met !== undefined) {
      const [count, next]: Answer = await this.run('count', shard, COUNT_STEP, list, [
        met ?? '',
        COUNTED_A_STEP,
      ]);
      sum += Number(count);
      met = next;
    }
    return sum;
  }

  private async clearShard(shard: number, group: string | undefined, kept: string[]): Promise<number> {
    const list = listKey(this.layout.shards[shard] as string, group);
    const keptHere = kept.filter((id) => this.layout.shardOf(id) === shard);
    let sum = 0;
    let met: Answer[number] | undefined = '0';
    let last: Answer[number] | undefined = '';
    while (met !== undefined) {
      const step: Answer = await this.run('clear', shard, CLEAR_STEP, list, [
        met ?? '',
        last ?? '',
        CLEARED_A_STEP,
        ...keptHere,
      ]);
      sum += Number(step[0]);
      [, met, last] = step;
    }
    return sum;
  }

  /** Some members of a list, each with its place, behind the place `met`. */
  private async members(
    shard: number,
    group: string | undefined,
    met: string,
    limit: number,
  ): Promise<Member[]> {
    const list = listKey(this.layout.shards[shard] as string, group);
    const flat = await this.ask('page', (client) =>
      client.zrangebyscore(list, `(${met}`, '+inf', 'WITHSCORES', 'LIMIT', 0, limit),
    );
    // RESP3 nests a member with its place, unless the client was told not to.
    const words = (flat as unknown[]).flat();
    return words.flatMap((word, at) =>
      at % 2 === 0 ? [[word as string, String(words[at + 1])] as Member] : [],
    );
  }

  /** The shard and the place that `page` gave out as `next`. */
  private positionIn(after: string): { shard: number; met: string } {
    const [, shard, met] = /^(\d{1,2}):(\d{1,16})$/.exec(after) ?? [];
    if (met === undefined || Number(shard) >= this.layout.shards.length) {
      throw new TypeError('after must be the `next` of an earlier page');
    }
    return { shard: Number(shard), met };
  }

  /** Runs a script on one session. */
  private act(operation: string, script: Script, id: string, args: (string | number)[]): Promise<Answer> {
    const shard = this.layout.shardOf(id);
    const hash = sessionKey(this.layout.shards[shard] as string, id);
    return this.run(operation, shard, script, hash, [id, ...args]);
  }

  /** Runs a script that acts before the deadline or never. */
  private run(
    operation: string,
    shard: number,
    script: Script,
    key: string,
    args: (string | number)[],
  ): Promise<Answer> {
    const begun = performance.now();
    const clock = this.clocks[shard] as ServerClock;
    return this.ask(operation, async (client) => {
      for (;;) {
        const asked = performance.now();
        const { from, to } = clock.window(begun, this.timeout);
        const [now, ...answer] = await evaluate(client, script, key, [
          from,
          to,
          this.layout.shards[shard] as string,
          ...args,
        ]);
        clock.learn(asked, Number(now));
        if (answer.length > 0) return answer;
        if (performance.now() - begun > this.timeout) throw this.connection.late(operation);
      }
    });
  }

  private async ask<T>(operation: string, work: (client: Redis | Cluster) => Promise<T>): Promise<T> {
    const client = this.connection.for(operation);
    gather(client);
    try {
      return await withDeadline(work(client), this.timeout, () => this.connection.late(operation));
    } catch (error) {
      throw this.connection.failed(operation, error);
    }
  }
}

/** A session's id, and its place in a list. */
type Member = [id: string, place: string];

/** The connections that were asked something in this turn of the event loop. */
const asked = new WeakSet<object>();

/**
 * Lets all but the first that is asked of a connection in one turn of the event loop leave as one packet: a system call
 * costs more than the rest of a call.
 */
function gather(client: Redis | Cluster): void {
  // A Cluster has a connection to each node, and looks for the one it needs.
  const { stream } = client as Partial<Redis>;
  if (!stream) return;
  if (!asked.has(stream)) {
    asked.add(stream);
    setImmediate(() => {
      asked.delete(stream);
      while (stream.writableCorked > 0) stream.uncork();
    });
  } else if (stream.writableCorked === 0) stream.cork();
}

/** Runs a script by its name, or whole on a server that has not seen it. */
async function evaluate(
  client: Redis | Cluster,
  { lua, sha }: Script,
  key: string,
  args: (string | number)[],
): Promise<Answer> {
  try {
    return (await client.evalsha(sha, 1, key, ...args)) as Answer;
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return (await client.eval(lua, 1, key, ...args)) as Answer;
  }
}
