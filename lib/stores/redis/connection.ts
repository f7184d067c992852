import { once } from 'node:events';
import { Cluster, Redis, type ClusterNode, type ClusterOptions, type RedisOptions } from 'ioredis';
import { notOpen } from '../../contract/errors.js';

/** Where the server is: one of `client`, `url`, `redisOptions` (which may come beside `url`) and `cluster`. */
export interface RedisConnectionOptions {
  /**
   * A client of yours, a `Redis` or a `Cluster`; never closed. Sessions are created and ended over a duplicate of it,
   * which sends nothing twice: a create that was sent again could bring back what was ended in between, and a destroy
   * would not know that it was the one that ended it.
   */
  client?: Redis | Cluster | undefined;
  /** `redis://` or `rediss://`; the store connects in `open` and disconnects in `close`. */
  url?: string | undefined;
  /** ioredis' options for a connection of the store's own: host, port, password, tls, db, sentinels, … */
  redisOptions?: RedisOptions | undefined;
  /** Some nodes of a Redis Cluster, and ioredis' options for it. */
  cluster?: { nodes: ClusterNode[]; options?: ClusterOptions | undefined } | undefined;
}

/**
 * What our own connections never do, whatever the options say: hold back a call while there is no server, or send
 * it again after a reconnect. Both would let it act after its caller was told that it failed.
 */
const AT_ONCE_OR_NEVER = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
} as const;

/** The same for a Cluster, whose connections to its nodes are ioredis' own. */
const AT_ONCE_OR_NEVER_IN_CLUSTER = {
  lazyConnect: true,
  enableOfflineQueue: false,
  retryDelayOnFailover: 0,
  // A node that connects again by itself sends again what was not answered; the slots' refresh connects it anew.
  clusterNodeRetryStrategy: null,
  // The check asks a node that may still be connecting, is turned away as nothing waits, and `connect` never ends.
  enableReadyCheck: false,
} as const;

/** How soon a Cluster's nodes are asked anew which slots they have, in milliseconds; after a failover this long. */
const SLOTS_REFRESH = 1000;

/** What is sent at most once, also for a client that was handed in. */
const NEVER_TWICE = ['create', 'destroy', 'clear'];

/** The connections of one store: those it made, and the one it was handed. */
export class RedisConnection {
  readonly isCluster: boolean;
  private readonly own: (Redis | Cluster)[] = [];
  private client: Redis | Cluster | undefined;
  private sender: Redis | Cluster | undefined;
  /** What last broke a connection of our own. `undefined` while it works. */
  trouble: unknown;

  constructor(
    private readonly options: RedisConnectionOptions,
    private readonly timeout: number,
  ) {
    checkOptions(options);
    this.isCluster = options.cluster !== undefined || options.client?.isCluster === true;
  }

  /** Connects what is ours. */
  async open(): Promise<void> {
    const { client } = this.options;
    this.client = client ?? this.make();
    this.sender = client ? this.duplicate(client) : this.client;
    this.own.push(this.sender);
    this.sender.on('error', (error: Error) => (this.trouble = withoutCommands(error)));
    this.sender.on('ready', () => (this.trouble = undefined));
    await connect(this.sender);
  }

  async close(): Promise<void> {
    this.client = this.sender = undefined;
    // What was asked was answered or given up by now; `quit` would wait for a server that is away.
    for (const one of this.own.splice(0)) one.disconnect();
  }

  /** The connection that `operation` goes over. */
  for(operation: string): Redis | Cluster {
    const connection = NEVER_TWICE.includes(operation) ? this.sender : this.client;
    if (connection) return connection;
    throw notOpen('redis', operation);
  }

  /** What an error of the driver means, and the error without session data. */
  explain(error: unknown): { problem: string | typeof SILENT; cause: unknown } {
    // A call that found no connection does not know why there is none.
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
      : 'no connection to the server. Is it running, and is its address right?';
    return { problem: otherwise, cause };
  }

  private make(): Redis | Cluster {
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
      ...AT_ONCE_OR_NEVER,
    };
    return url === undefined ? new Redis(options) : new Redis(url, options);
  }

  private duplicate(client: Redis | Cluster): Redis | Cluster {
    if (!isCluster(client)) return client.duplicate({ ...this.patience(), ...AT_ONCE_OR_NEVER });
    return client.duplicate([], {
      slotsRefreshInterval: SLOTS_REFRESH,
      redisOptions: this.patience(),
      ...AT_ONCE_OR_NEVER_IN_CLUSTER,
    });
  }

  /** How long a connection of ours waits before it gives a server or a Sentinel up and looks for the one that answers. */
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
    // ioredis goes on with database 0 when it cannot have the one that was asked for.
    if (client.options.db) await client.select(client.options.db);
    return;
  }
  // ioredis connects a node when it is first needed, and whoever else asks for it meanwhile is turned away.
  client.on('+node', (node: Redis) => node.connect().catch(() => {}));
  await client.connect();
  await Promise.all(client.nodes('master').map((node) => node.status === 'ready' || once(node, 'ready')));
}

/** By its shape: a client may come from another copy of ioredis. */
function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}

/** What a server's refusals mean, and what to do about them. */
const PROBLEMS: [pattern: RegExp, problem: string][] = [
  [/^(NOAUTH|WRONGPASS)/, 'the server wants another login: check user name and password'],
  [
    /^NOPERM/,
    'the server denies it: the user needs the hash, sorted set, key, script and connection commands',
  ],
  [/^(MOVED|ASK|CROSSSLOT)/, 'the server is a node of a Redis Cluster: use `cluster`, or hand in a Cluster'],
  [
    /DB index is out of range|invalid DB index/,
    'the server has no database of that number: see its `databases`',
  ],
  [/cluster support disabled/i, 'the server is no node of a Redis Cluster: use `url` or `redisOptions`'],
  [/^READONLY/, 'the server is a replica: connect to the primary, or to the Sentinels'],
  [/^OOM/, 'the server is out of memory: raise maxmemory, or shorten the lifetime of sessions'],
  [/^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)/, 'the server is not ready yet: try again soon'],
  [/^WRONGTYPE/, 'an id of this prefix belongs to another program: choose another prefix'],
];

/** A driver's error as a cause: without the commands, whose arguments are session data or a password. */
function withoutCommands(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message, stack } = error;
  const known = error as { command?: unknown; lastNodeError?: unknown };
  delete known.command;
  withoutCommands(known.lastNodeError);
  // A server that lacks a command repeats what came with it.
  error.message = message.replace(ARGUMENTS, '');
  if (stack !== undefined) error.stack = stack.replace(ARGUMENTS, '');
  return error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

/** What `explain` finds where the server does not respond. */
export const SILENT = Symbol('silent');

/** How ioredis gives up a connection whose server does not respond. */
const SILENCE = /^Socket timeout/;

const ARGUMENTS = /, with args beginning with:.*/;

function checkOptions({ client, url, redisOptions, cluster }: RedisConnectionOptions): void {
  const given = [client, url ?? redisOptions, cluster].filter((one) => one !== undefined && one !== null);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none of them is set' : 'several are set';
    throw new TypeError(
      `RedisStore needs one of \`client\`, \`url\` or \`redisOptions\`, and \`cluster\`: ${found}`,
    );
  }
  if (url !== undefined) checkUrl(url);
  if (redisOptions !== undefined && (typeof redisOptions !== 'object' || redisOptions === null)) {
    throw new TypeError('redisOptions must be an object: { host, port, … }');
  }
  if (cluster !== undefined && !Array.isArray(cluster.nodes)) {
    throw new TypeError('cluster must be { nodes: [{ host, port }, …], options? }');
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

/** Says nothing of what the URL holds: it may be a password. */
function checkUrl(url: unknown): void {
  const wrong = new TypeError(
    'url must be redis://[[user]:password@]host[:port][/database], rediss:// for TLS, with special characters of the password percent-encoded',
  );
  if (typeof url !== 'string' || !URL.canParse(url)) throw wrong;
  const { protocol, hostname, pathname, search, username, password } = new URL(url);
  if (!/^rediss?:$/.test(protocol) || hostname === '' || !/^(\/\d*)?$/.test(pathname)) throw wrong;
  try {
    decodeURIComponent(username + password);
  } catch {
    throw wrong;
  }
  // They would beat what our own connections must be.
  if (search !== '') throw new TypeError('url must have no options behind a `?`: put them into redisOptions');
}

/** Refuses what would void a guarantee: reading from replicas, which lag, and keys that scripts cannot know. */
function checkDriverOptions(options: RedisOptions & ClusterOptions): void {
  const { keyPrefix, scaleReads, readOnly, role } = options;
  if (keyPrefix)
    throw new TypeError("ioredis' keyPrefix does not reach into scripts: use the store's `prefix`");
  if ((scaleReads !== undefined && scaleReads !== 'master') || readOnly || role === 'slave') {
    throw new TypeError(
      'sessions are read from primaries only, as replicas lag behind: leave out scaleReads, readOnly and role',
    );
  }
}
