import { once } from 'node:events';
import type { Cluster, Command, Redis } from 'ioredis';
import { loadDriver } from '../shared/driver.js';
import { NotOpenError, SessionStoreError } from '../../contract/errors.js';
import { addressOf, optionsOf, type RedisConnectionOptions } from './address.js';
import {
  checkDriverOptions,
  clusterOptions,
  duplicateClusterOptions,
  duplicateOptions,
  isCluster,
  pauseBefore,
  serverOptions,
} from './driver-options.js';
import { isClosing, isSilence, messageOf, withoutCommands } from './driver-errors.js';
import { gather } from './gather.js';
import { PrimaryCheck } from './primary.js';
import { connectionProblemOf, problemOf } from './problems.js';
import { subscribe, type Subscriber } from './subscription.js';

/** A command's arguments. */
type Arguments = (string | number)[];

/**
 * The connection of one store. With a `client` of the app, it is a duplicate of that: only on a connection of its own
 * can the store make sure that no command is sent twice, that a server which does not respond or has become a replica
 * is left, and that replies look as expected.
 */
export class RedisConnection {
  readonly isCluster: boolean;
  private own: Redis | Cluster | undefined;
  private isOpen = false;
  /** How the driver must write the names of commands. */
  private spelling: 'upper' | 'lower' = 'upper';
  /** The last error of the connection. `undefined` while it works. */
  trouble: unknown;
  private readonly primary = new PrimaryCheck((operation, key) => this.send(operation, 'UNLINK', [key]));
  private refresh: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: RedisConnectionOptions,
    private readonly timeout: number,
  ) {
    checkOptions(options);
    this.isCluster = options.cluster !== undefined || options.client?.isCluster === true;
  }

  async open(): Promise<void> {
    this.isOpen = true;
    const { client } = this.options;
    const own = client ? this.duplicate(client) : await this.make();
    if (!this.isOpen) throw new NotOpenError('redis', 'open');
    this.own = own;
    this.trouble = undefined;
    own.on('error', (error: Error) => (this.trouble = withoutCommands(error)));
    own.on('ready', () => (this.trouble = undefined));
    own.on('close', () => this.primary.reset());
    if (!isCluster(own) && own.options.sentinels?.length) this.keepTrying(own);
    if (isCluster(own)) await this.connectCluster(own);
    else await connect(own);
  }

  /**
   * Connects again after ioredis has given up. If Sentinels announce a failover while it connects, it ends its own attempt
   * as if it had been closed (`FailoverDetector` and `SentinelConnector` of ioredis 5 and 6).
   */
  private keepTrying(own: Redis): void {
    let attempt = 0;
    own.on('ready', () => (attempt = 0));
    own.on('end', () => {
      if (own !== this.own) return;
      this.retry = setTimeout(() => void own.connect().catch(() => {}), pauseBefore(++attempt));
      this.retry.unref();
    });
  }

  async close(): Promise<void> {
    this.isOpen = false;
    clearTimeout(this.refresh);
    clearTimeout(this.retry);
    // Not `quit`, which would wait for a server that is unreachable. No call is pending any more.
    this.own?.disconnect();
    this.own = undefined;
  }

  /** Sends a command. Commands of one turn of the event loop are sent together. */
  send(operation: string, name: string, args: Arguments): Promise<unknown> {
    const connection = this.for(operation);
    gather(connection);
    // Not by a method of the driver's: an app can change the arguments and replies of commands with names in lower case.
    return connection.call(this.spelling === 'upper' ? name : name.toLowerCase(), args);
  }

  /**
   * Sends a command that reads. It is rejected if the server has become a replica, which a write to `key`, a key that
   * does not exist, shows. In a Cluster a replica does not respond to it.
   */
  read(operation: string, key: string, name: string, args: Arguments): Promise<unknown> {
    const check = this.isCluster ? undefined : this.primary.run(operation, key);
    const response = this.send(operation, name, args);
    if (check) return Promise.all([response, check]).then(([reply]) => reply);
    return this.spelling === 'upper' ? response : response.then((reply) => flat(operation, reply));
  }

  /** The servers that accept writes, each with a way to send it a command without a key. */
  primaries(
    operation: string,
  ): { name: string; send: (name: string, ...args: Arguments) => Promise<unknown> }[] {
    const connection = this.for(operation);
    const nodes = isCluster(connection) ? connection.nodes('master') : [connection];
    return nodes.map((node) => ({
      name: isCluster(connection) ? `${node.options.host}:${node.options.port}` : 'The server',
      send: (name, ...args) => node.call(name, args),
    }));
  }

  /** Subscribes to channels. Resolves to a function that ends the subscription. */
  subscribe(operation: string, channels: readonly string[], subscriber: Subscriber): Promise<() => void> {
    return subscribe(this.for(operation), channels, subscriber);
  }

  /** What to check if a call times out. */
  get advice(): string {
    if (this.isWaiting)
      return 'The server has accepted the connection. Is it blocked, or still loading its data?';
    const { own } = this;
    if (own && !isCluster(own) && own.options.tls && own.status === 'connecting') {
      return 'Is the server reachable, and does it use TLS on this port?';
    }
    return 'Is the server reachable, and not blocked by a slow command?';
  }

  /** Whether the server has accepted the connection, but has not said that it is ready: it may be loading its data. */
  private get isWaiting(): boolean {
    return !this.isCluster && this.own?.status === 'connect';
  }

  /** The problem that an error of the driver means, and that error without session data. */
  explain(operation: string, error: unknown): { problem: string | typeof SILENT; cause: unknown } {
    // The error of a call without a connection does not say why there is none.
    const isReply = (error as Error).name === 'ReplyError';
    const known = isReply ? undefined : this.trouble;
    const cause = withoutCommands(known ?? error);
    const { lastNodeError } = cause as { lastNodeError?: unknown };
    const errors = [error, cause, lastNodeError];

    const problem =
      first(errors, (one) => problemOf(messageOf(one))) ??
      first(errors, (one) => connectionProblemOf((one as NodeJS.ErrnoException | undefined)?.code));
    if (problem) return { problem, cause };
    if (isSilence(known)) return { problem: SILENT, cause };
    return { problem: isReply ? REJECTED : this.disconnected(operation), cause };
  }

  /** What to say of a call that found no connection. */
  private disconnected(operation: string): string {
    if (this.isWaiting) return 'the server is not ready. Is it blocked, or still loading its data?';
    const server = operation === 'open' ? addressOf(this.options) : 'the server';
    if (operation === 'open' && !this.isCluster && isClosing(this.trouble)) {
      return `${server} closed the connection. Is it a Redis, does it require TLS (rediss://), or has it too many clients?`;
    }
    return `no connection to ${server}. Is Redis running, and is the address right?`;
  }

  private for(operation: string): Redis | Cluster {
    if (this.own) return this.own;
    throw new NotOpenError('redis', operation);
  }

  private async make(): Promise<Redis | Cluster> {
    const { Cluster, Redis } = await loadDriver('redis', 'ioredis', () => import('ioredis'));
    const { url, redisOptions, cluster } = this.options;
    if (cluster) return new Cluster(cluster.nodes, clusterOptions(this.timeout, cluster.options));
    return new Redis(
      serverOptions(this.timeout, { ...redisOptions, ...(url !== undefined && optionsOf(url)) }),
    );
  }

  private duplicate(client: Redis | Cluster): Redis | Cluster {
    if (isCluster(client)) {
      return client.duplicate([], duplicateClusterOptions(this.timeout, client.options));
    }
    return client.duplicate(duplicateOptions(this.timeout, client.options));
  }

  private async connectCluster(cluster: Cluster): Promise<void> {
    // ioredis connects a node when it is first used, and rejects other commands for the node meanwhile.
    cluster.on('+node', (node: Redis) => node.connect().catch(() => {}));
    cluster.on('-node', () => this.refreshSoon(cluster));
    let problem: unknown;
    const note = (error: unknown) => (problem = error);
    cluster.on('node error', note);
    try {
      await cluster.connect();
    } catch (error) {
      // It does not say why no node could be reached.
      throw problem ?? error;
    } finally {
      cluster.off('node error', note);
    }
    const nodes = cluster.nodes('master');
    await Promise.all(nodes.map((node) => node.status === 'ready' || once(node, 'ready')));
    this.spelling = findsKeysInUpperCase(cluster) ? 'upper' : 'lower';
  }

  /** Reads the slots again, which reconnects the nodes that were lost. */
  private refreshSoon(cluster: Cluster): void {
    this.refresh ??= setTimeout(() => {
      this.refresh = undefined;
      if (cluster === this.own && cluster.status === 'ready') cluster.refreshSlotsCache();
    }, pauseBefore(4));
    this.refresh.unref();
  }
}

async function connect(server: Redis): Promise<void> {
  await server.connect();
  // ioredis would continue with database 0 if the configured one does not exist.
  if (server.options.db) await server.select(server.options.db);
}

/**
 * Whether the driver finds the key, and so the node, of a command whose name is in upper case. Before 5.9, ioredis sends
 * such a command to any node.
 */
function findsKeysInUpperCase(cluster: Cluster): boolean {
  let found = 0;
  const sendCommand = (command: Command) => (found = command.getKeys().length);
  (Object.create(cluster, { sendCommand: { value: sendCommand } }) as Cluster).call('HGETALL', 'key');
  return found === 1;
}

/** The reply of a command in lower case, whose fields and values the driver puts into an object. */
function flat(operation: string, reply: unknown): unknown {
  if (Array.isArray(reply)) return reply;
  const kind = typeof reply === 'object' && reply !== null ? Object.getPrototypeOf(reply) : undefined;
  if (kind === Object.prototype || kind === null) return Object.entries(reply as object).flat();
  const problem = 'a reply transformer of the app changes the replies of ioredis. Use ioredis 5.9 or newer';
  throw new SessionStoreError('redis', operation, problem);
}

function first<T, R>(all: T[], find: (one: T) => R | undefined): R | undefined {
  for (const one of all) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The problem that `explain` returns if the server does not respond. */
export const SILENT = Symbol('silent');

/** The problem of an error of the server that is not known. */
const REJECTED = 'the server rejected the command. Its message is in the cause';

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
  if (client !== undefined && (typeof client.call !== 'function' || typeof client.duplicate !== 'function')) {
    throw new TypeError(
      'client must be a Redis or a Cluster of ioredis: write new Redis(url), or set url instead',
    );
  }
  for (const one of [client?.options, redisOptions, cluster?.options]) checkDriverOptions(one);
}
