import { once } from 'node:events';
import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import { loadDriver } from '../shared/driver.js';
import { NotOpenError } from '../../contract/errors.js';
import { addressOf, optionsOf, type RedisConnectionOptions } from './address.js';

/**
 * Our own connections never queue a command while there is no server, and never send it again after a reconnect,
 * whatever the options say. Both would let a command act after its call has failed.
 */
const AT_ONCE_OR_NEVER = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
} as const;

/** The same for a Cluster, whose connections to its nodes are made by ioredis. */
const AT_ONCE_OR_NEVER_IN_CLUSTER = {
  lazyConnect: true,
  enableOfflineQueue: false,
  retryDelayOnFailover: 0,
  // A node that reconnects by itself sends unanswered commands again. The refresh of the slots reconnects it instead.
  clusterNodeRetryStrategy: null,
  // The check sends a command to a node that may still be connecting. It fails, as nothing is queued, and `connect`
  // never settles.
  enableReadyCheck: false,
} as const;

/**
 * How often the slots of a Cluster's nodes are read, in milliseconds. A failover is noticed after at most this long.
 */
const SLOTS_REFRESH = 1000;

/** The operations that are sent at most once, even with a `client` of the app. */
const NEVER_TWICE = ['create', 'destroy', 'clear'];

/** The connections of one store: its own, and the `client` of the app. */
export class RedisConnection {
  readonly isCluster: boolean;
  private readonly own: (Redis | Cluster)[] = [];
  private client: Redis | Cluster | undefined;
  private sender: Redis | Cluster | undefined;
  /** The last error of our own connection. `undefined` while it works. */
  trouble: unknown;

  constructor(
    private readonly options: RedisConnectionOptions,
    private readonly timeout: number,
  ) {
    checkOptions(options);
    this.isCluster = options.cluster !== undefined || options.client?.isCluster === true;
  }

  /** Opens our own connection. */
  async open(): Promise<void> {
    const { client } = this.options;
    this.client = client ?? (await this.make());
    this.sender = client ? this.duplicate(client) : this.client;
    this.own.push(this.sender);
    this.sender.on('error', (error: Error) => (this.trouble = withoutCommands(error)));
    this.sender.on('ready', () => (this.trouble = undefined));
    await connect(this.sender);
  }

  async close(): Promise<void> {
    this.client = this.sender = undefined;
    // Not `quit`, which would wait for a server that is unreachable. No call is pending any more.
    for (const one of this.own.splice(0)) one.disconnect();
  }

  /** The connection for an operation. */
  for(operation: string): Redis | Cluster {
    const connection = NEVER_TWICE.includes(operation) ? this.sender : this.client;
    if (connection) return connection;
    throw new NotOpenError('redis', operation);
  }

  /** The problem that an error of the driver means, and that error without session data. */
  explain(operation: string, error: unknown): { problem: string | typeof SILENT; cause: unknown } {
    // The error of a call without a connection does not say why there is none.
    const isReply = (error as Error).name === 'ReplyError';
    const known = isReply ? undefined : this.trouble;
    const cause = withoutCommands(known ?? error);
    const { lastNodeError } = cause as { lastNodeError?: unknown };
    const words = [error, cause, lastNodeError].map(messageOf);

    const [, problem] = PROBLEMS.find(([pattern]) => words.some((one) => pattern.test(one))) ?? [];
    if (problem) return { problem, cause };
    if (SILENCE.test(messageOf(known))) return { problem: SILENT, cause };
    const otherwise = isReply
      ? 'the server rejected the command. Its message is in the cause'
      : `no connection to ${operation === 'open' ? addressOf(this.options) : 'the server'}. Is Redis running, and is the address right?`;
    return { problem: otherwise, cause };
  }

  private async make(): Promise<Redis | Cluster> {
    const { Cluster, Redis } = await loadDriver('redis', 'ioredis', () => import('ioredis'));
    const { url, redisOptions, cluster } = this.options;
    if (cluster) {
      const { options } = cluster;
      return new Cluster(cluster.nodes, {
        slotsRefreshInterval: SLOTS_REFRESH,
        ...options,
        redisOptions: { ...this.patience(), ...options?.redisOptions },
        ...AT_ONCE_OR_NEVER_IN_CLUSTER,
      });
    }
    const options: RedisOptions = {
      ...this.patience(),
      failoverDetector: true,
      ...redisOptions,
      ...(url !== undefined && optionsOf(url)),
      ...AT_ONCE_OR_NEVER,
    };
    return new Redis(options);
  }

  private duplicate(client: Redis | Cluster): Redis | Cluster {
    if (!isCluster(client)) return client.duplicate({ ...this.patience(), ...AT_ONCE_OR_NEVER });
    return client.duplicate([], {
      slotsRefreshInterval: SLOTS_REFRESH,
      redisOptions: this.patience(),
      ...AT_ONCE_OR_NEVER_IN_CLUSTER,
    });
  }

  /** How long our connections wait for a server or Sentinel before they look for another. */
  private patience(): RedisOptions {
    return {
      connectTimeout: this.timeout,
      socketTimeout: this.timeout,
      sentinelCommandTimeout: this.timeout,
    };
  }
}

async function connect(client: Redis | Cluster): Promise<void> {
  if (!isCluster(client)) {
    await client.connect();
    // ioredis would continue with database 0 if the configured one does not exist.
    if (client.options.db) await client.select(client.options.db);
    return;
  }
  // ioredis connects a node when it is first used, and rejects other commands for the node meanwhile.
  client.on('+node', (node: Redis) => node.connect().catch(() => {}));
  await client.connect();
  await Promise.all(client.nodes('master').map((node) => node.status === 'ready' || once(node, 'ready')));
}

/** Whether a client is a Cluster, by its shape: it may come from another copy of ioredis. */
function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}

/** The server's errors, what they mean and what to do about them. */
const PROBLEMS: [pattern: RegExp, problem: string][] = [
  [/^(NOAUTH|WRONGPASS)/, 'the server rejected the login. Check user name and password'],
  [
    /^NOPERM/,
    'the server denied the command. The user needs the hash, sorted set, key, script and connection commands',
  ],
  [
    /^(MOVED|ASK|CROSSSLOT)/,
    'the server is a node of a Redis Cluster. Use `cluster`, or pass a Cluster as `client`',
  ],
  [
    /DB index is out of range|invalid DB index/,
    'the server has no database with this number. See its `databases`',
  ],
  [/cluster support disabled/i, 'the server is not a node of a Redis Cluster. Use `url` or `redisOptions`'],
  [/^READONLY/, 'the server is a replica. Connect to the primary, or to the Sentinels'],
  [/^OOM/, 'the server is out of memory. Raise maxmemory, or shorten the lifetime of sessions'],
  [/^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)/, 'the server is not ready yet. Try again soon'],
  [/^WRONGTYPE/, 'a key with this prefix belongs to another program. Choose another prefix'],
];

/** A driver's error as a cause: without the commands, whose arguments are session data or a password. */
function withoutCommands(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message, stack } = error;
  const known = error as { command?: unknown; lastNodeError?: unknown };
  delete known.command;
  withoutCommands(known.lastNodeError);
  // For an unknown command, the server's message repeats its arguments.
  error.message = message.replace(ARGUMENTS, '');
  if (stack !== undefined) error.stack = stack.replace(ARGUMENTS, '');
  return error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

/** The problem that `explain` returns if the server does not respond. */
export const SILENT = Symbol('silent');

/** ioredis' error for a connection whose server does not respond. */
const SILENCE = /^Socket timeout/;

const ARGUMENTS = /, with args beginning with:.*/;

function checkOptions({ client, url, redisOptions, cluster }: RedisConnectionOptions): void {
  const given = [client, url ?? redisOptions, cluster].filter((one) => one !== undefined && one !== null);
  if (given.length !== 1) {
    const found =
      given.length === 0 ? 'none is set. Is the environment variable loaded?' : 'leave the others out';
    throw new TypeError(`RedisStore needs one of url, redisOptions, cluster and client: ${found}`);
  }
  if (url !== undefined) optionsOf(url);
  if (redisOptions !== undefined && (typeof redisOptions !== 'object' || redisOptions === null)) {
    throw new TypeError('redisOptions must be an object: write { host, port, … }');
  }
  if (cluster !== undefined && !Array.isArray(cluster.nodes)) {
    throw new TypeError('cluster must be an object: write { nodes: [{ host, port }, …], options? }');
  }
  if (client !== undefined && typeof client.evalsha !== 'function') {
    throw new TypeError('client must be a Redis or a Cluster of ioredis');
  }
  for (const options of [
    client?.options,
    (client?.options as ClusterOptions | undefined)?.redisOptions,
    redisOptions,
    cluster?.options,
    cluster?.options?.redisOptions,
  ]) {
    if (options) checkDriverOptions(options);
  }
}

/**
 * Rejects options that would break a guarantee: reads from replicas, which lag, and key prefixes that scripts do not
 * see.
 */
function checkDriverOptions(options: RedisOptions & ClusterOptions): void {
  const { keyPrefix, scaleReads, readOnly, role } = options;
  if (keyPrefix)
    throw new TypeError(
      "ioredis' keyPrefix must not be set, because scripts ignore it: write the store's `prefix`",
    );
  if ((scaleReads !== undefined && scaleReads !== 'master') || readOnly || role === 'slave') {
    throw new TypeError(
      'sessions must be read from primaries, because replicas lag behind: leave out scaleReads, readOnly and role',
    );
  }
}
