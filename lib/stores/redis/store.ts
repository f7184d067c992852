import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Deadline } from '../../contract/deadline.js';
import { SessionStoreError, tooLarge } from '../../contract/errors.js';
import { checkNoOthers, checkOptionsObject, checkPrefix } from '../../contract/option-checks.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../../contract/record.js';
import { SessionStore, type SessionStoreOperation } from '../../contract/store.js';
import { ServerClock } from '../shared/clock.js';
import type { RedisConnectionOptions } from './address.js';
import { RedisConnection, SILENT } from './connection.js';
import {
  Layout,
  fieldsOf,
  listKey,
  noKey,
  recordOf,
  sessionKey,
  setFields,
  removedFields,
} from './layout.js';
import { PROBE, refusalsIn } from './probe.js';
import { problemOfProbe } from './problems.js';
import {
  CLEAR_STEP,
  COUNT_ALL,
  COUNT_STEP,
  CREATE,
  DESTROY,
  INCOMPLETE,
  ROTATE,
  UPDATE,
  type Script,
} from './scripts.js';

/** The options of a `RedisStore`. */
export interface RedisStoreOptions extends RedisConnectionOptions {
  /** The start of all keys; default `'session:'`. Stores with the same prefix share their sessions. */
  prefix?: string | undefined;
  /** How long a call waits for the server, in milliseconds; default 2 000. */
  timeout?: number | undefined;
}

/** How many sessions one step of counting or clearing takes, so that no script blocks the server for long. */
const COUNTED_A_STEP = 1000;
const CLEARED_A_STEP = 200;

/** After how many milliseconds a script is sent again to a slot that is moving; twice as many after each further time. */
const FIRST_RETRY = 10;
const LAST_RETRY = 160;

/** What to do about a call that has found the keys of its slot on two nodes until its deadline. */
const MOVING =
  'Its slot is moving to another node of the Cluster: try again when it has moved. ' +
  'If no move is running, see `redis-cli --cluster check`';

/** The reply of a script, without the time. */
type Reply = (string | number | null)[];

/** What to write instead of ioredis' own options. */
const ADVICE = Object.fromEntries(
  ['host', 'port', 'username', 'password', 'db', 'tls', 'sentinels', 'family', 'path'].map((name) => [
    name,
    `Write redisOptions: { ${name === 'host' || name === 'port' ? 'host, port' : name} }`,
  ]),
);

/**
 * Sessions in Redis (6.2 or newer) or Valkey: one server, Sentinel or Cluster. Each write is one script on one slot. It
 * acts as a whole, and not at all after its deadline.
 */
export class RedisStore extends SessionStore {
  readonly #connection: RedisConnection;
  private readonly layout: Layout;
  /** One clock per shard, because the shards of a Cluster are on several servers. */
  private readonly clocks: [ServerClock, ...ServerClock[]];

  constructor(options: RedisStoreOptions) {
    checkOptionsObject('RedisStore', options, 'new RedisStore({ url })');
    const { prefix = 'session:', timeout, client, url, redisOptions, cluster, ...others } = options ?? {};
    super('redis', timeout);
    checkNoOthers('RedisStore', others, 'client, url, redisOptions, cluster, prefix, timeout', ADVICE);
    checkPrefix(prefix);
    this.#connection = new RedisConnection({ client, url, redisOptions, cluster }, this.timeout);
    this.layout = new Layout(prefix, this.#connection.isCluster);
    this.clocks = this.layout.shards.map(() => new ServerClock()) as [ServerClock];
  }

  /** The time of the server; in a Cluster, of the server with the first shard. */
  override now(): number {
    return this.clocks[0].now();
  }

  protected override get advice(): string {
    return this.#connection.advice;
  }

  protected override async connect(): Promise<void> {
    await this.within('open', () => this.#connection.open());
    await Promise.all(this.layout.shards.map((_, shard) => this.probe(shard)));
  }

  protected override disconnect(): Promise<void> {
    return this.#connection.close();
  }

  protected override async doCreate(record: SessionRecord, deadline: Deadline): Promise<boolean> {
    const fields = fieldsOf(record);
    const groups = new Set(record.groups);
    const [isCreated] = await this.act('create', deadline, CREATE, record.id, [
      record.secretHash,
      record.expiresAt,
      fields.length,
      ...fields,
      ...groups,
    ]);
    return isCreated === 1;
  }

  protected override doRead(id: string): Promise<SessionRecord | undefined> {
    return this.find('read', id);
  }

  protected override async doUpdate(
    { id }: SessionRef,
    change: SessionChange,
    deadline: Deadline,
  ): Promise<SessionUpdate | undefined> {
    const { set, remove = [], join = [], leave = [], expiresAt, touch, retirePrevious } = change;
    const sets = set ? setFields(set) : [];
    const removals = removedFields(remove);
    const [isLive, expires, secretHash] = await this.act('update', deadline, UPDATE, id, [
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

  protected override async doRotate(
    { id }: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): Promise<string | undefined> {
    const [isLive, current] = await this.act('rotate', deadline, ROTATE, id, [presented, secretHash, grace]);
    return isLive ? (current as string) : undefined;
  }

  protected override async doDestroy(id: string, deadline: Deadline): Promise<boolean> {
    const [wasLive] = await this.act('destroy', deadline, DESTROY, id, []);
    return wasLive === 1;
  }

  protected override doRegenerate(): Promise<boolean> {
    throw new Error('not there yet');
  }

  protected override doHaveEnded(): Promise<boolean> {
    throw new Error('not there yet');
  }

  protected override async doPage({ group, after, limit }: SessionPageOptions): Promise<SessionPage> {
    const records: SessionRecord[] = [];
    let { shard, met } = after === undefined ? { shard: 0, met: '0' } : this.positionIn(after);

    for (; shard < this.layout.shards.length; shard++, met = '0') {
      for (;;) {
        const wanted = limit - records.length;
        const members = await this.members(shard, group, met, wanted);
        const found = await Promise.all(members.map(([id]) => this.find('page', id)));
        // A session may have ended or left the group since it was listed.
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

  protected override async doCount(group: string | undefined): Promise<number> {
    const counts = this.layout.shards.map((_, shard) =>
      group === undefined ? this.countAll(shard) : this.countGroup(shard, group),
    );
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    const kept = [...except];
    const ended = this.layout.shards.map((_, shard) => this.clearShard(shard, group, kept));
    return (await Promise.all(ended)).reduce((sum, count) => sum + count, 0);
  }

  protected override late(operation: SessionStoreOperation, deadline?: Deadline): SessionStoreError {
    return super.late(operation, deadline, this.#connection.trouble);
  }

  protected override failure(operation: SessionStoreOperation, error: unknown): Error {
    const { problem, cause } = this.#connection.explain(operation, error);
    if (problem === SILENT) return this.late(operation);
    // Redis calls a value above its limit a mistake in the protocol.
    if (/invalid bulk length/.test((error as Error).message)) {
      return tooLarge(this.storeName, operation, 'the server accepts (proto-max-bulk-len)', cause);
    }
    return new SessionStoreError(this.storeName, operation, problem, { cause });
  }

  /** Learns the time of a shard's server. Rejects if it is a replica, or refuses a command that the store needs. */
  private async probe(shard: number): Promise<void> {
    const sentAt = performance.now();
    const key = `${this.layout.shards[shard]}probe:${randomUUID()}`;
    // Sent together, because the store needs both ways to run a script.
    const [reply] = await this.within('open', () =>
      Promise.all([
        this.#connection.send('open', 'EVAL', [PROBE.lua, 1, key]) as Promise<Reply>,
        this.evaluate('open', PROBE, key, []),
      ]),
    );
    const refusals = refusalsIn(reply);
    const problem = problemOfProbe(refusals);
    if (problem !== undefined) {
      const cause = new Error(refusals.map(({ name, message }) => `${name}: ${message}`).join('\n'));
      throw new SessionStoreError(this.storeName, 'open', problem, { cause });
    }
    (this.clocks[shard] as ServerClock).learn(sentAt, Number(reply[0]));
  }

  private async find(operation: SessionStoreOperation, id: string): Promise<SessionRecord | undefined> {
    const shard = this.layout.shards[this.layout.shardOf(id)] as string;
    const reply = await this.#connection.read(operation, noKey(shard), 'HGETALL', [sessionKey(shard, id)]);
    return recordOf(id, reply as string[]);
  }

  private async countAll(shard: number): Promise<number> {
    const [count] = await this.step('count', shard, COUNT_ALL, `${this.layout.shards[shard]}expiry`, []);
    return Number(count);
  }

  private async countGroup(shard: number, group: string): Promise<number> {
    const list = listKey(this.layout.shards[shard] as string, group);
    let sum = 0;
    let met: Reply[number] | undefined = '0';
    while (met !== undefined) {
      const [count, next]: Reply = await this.step('count', shard, COUNT_STEP, list, [
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
    let met: Reply[number] | undefined = '0';
    let last: Reply[number] | undefined = '';
    while (met !== undefined) {
      const step: Reply = await this.step('clear', shard, CLEAR_STEP, list, [
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

  /** Up to `limit` members of a list after the place `met`, each with its place. */
  private async members(
    shard: number,
    group: string | undefined,
    met: string,
    limit: number,
  ): Promise<Member[]> {
    const start = this.layout.shards[shard] as string;
    const list = listKey(start, group);
    const range = [list, `(${met}`, '+inf', 'WITHSCORES', 'LIMIT', 0, limit];
    const found = (await this.#connection.read('page', noKey(start), 'ZRANGEBYSCORE', range)) as unknown[];
    // With RESP3 each member is in an array with its place.
    const words = found.flat();
    return words.flatMap((word, at) =>
      at % 2 === 0 ? [[word as string, String(words[at + 1])] as Member] : [],
    );
  }

  /** The shard and the place in the `next` of a page. */
  private positionIn(after: string): { shard: number; met: string } {
    const [, shard, met] = /^(\d{1,2}):(\d{1,16})$/.exec(after) ?? [];
    if (met === undefined || Number(shard) >= this.layout.shards.length) {
      throw new TypeError('after must be the `next` of an earlier page');
    }
    return { shard: Number(shard), met };
  }

  /** Runs a script on one session. */
  private act(
    operation: SessionStoreOperation,
    deadline: Deadline,
    script: Script,
    id: string,
    args: (string | number)[],
  ): Promise<Reply> {
    const shard = this.layout.shardOf(id);
    const hash = sessionKey(this.layout.shards[shard] as string, id);
    return this.run(operation, deadline, shard, script, hash, [id, ...args]);
  }

  /** Runs one step of an operation, under a deadline of its own. */
  private async step(
    operation: SessionStoreOperation,
    shard: number,
    script: Script,
    key: string,
    args: (string | number)[],
  ): Promise<Reply> {
    return this.within(operation, (deadline) => this.run(operation, deadline, shard, script, key, args));
  }

  /** Runs a script, which acts before the deadline or not at all. */
  private async run(
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
  private async evaluate(
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

/** A session's id, and its place in a list. */
type Member = [id: string, place: string];
