import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import { isFromReplica } from './problems.js';

/** The longest pause between two attempts to connect, in milliseconds. */
const LONGEST_PAUSE = 500;

/**
 * How often the slots of a Cluster's nodes are read, in milliseconds, although nothing has failed: for each time, ioredis
 * opens a connection, and closes it. A lost connection to a node, and a slot that has moved, are noticed without that.
 */
const SLOTS_REFRESH = 5000;

/**
 * The pause before an attempt to connect, in milliseconds: short at first, and never long, so that a server is used
 * again as soon as it is back. It is random, so that the processes of an app do not all come at once.
 */
export function pauseBefore(attempt: number): number {
  return Math.min(LONGEST_PAUSE, 50 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

/** ioredis' options for the store's connection to a server, or to the server that Sentinels name. */
export function serverOptions(timeout: number, theirs: RedisOptions): RedisOptions {
  return { ...serverPreferences(timeout), ...theirs, ...serverRequirements(theirs) };
}

/** What differs between the options of an app's client and those of the store's connection to the same server. */
export function duplicateOptions(timeout: number, theirs: RedisOptions): RedisOptions {
  return { ...serverPreferences(timeout), ...serverRequirements(theirs) };
}

/** ioredis' options for the store's connections to a Cluster. */
export function clusterOptions(timeout: number, theirs: ClusterOptions = {}): ClusterOptions {
  return {
    ...CLUSTER_PREFERENCES,
    ...theirs,
    ...CLUSTER_REQUIREMENTS,
    redisOptions: { ...patience(timeout), ...theirs.redisOptions, ...PLAIN },
  };
}

/** The same as {@link duplicateOptions}, for a Cluster. */
export function duplicateClusterOptions(timeout: number, theirs: ClusterOptions): ClusterOptions {
  return {
    ...CLUSTER_PREFERENCES,
    ...CLUSTER_REQUIREMENTS,
    // All of them, because ioredis 5 does not merge them with those of the client.
    redisOptions: { ...theirs.redisOptions, ...patience(timeout), ...PLAIN },
  };
}

/** How long our connections wait for a server or Sentinel before they look for another. */
function patience(timeout: number): RedisOptions {
  return {
    connectTimeout: timeout,
    socketTimeout: timeout,
    sentinelCommandTimeout: timeout,
    // How long a server may take to close its end of a connection that we end.
    disconnectTimeout: LONGEST_PAUSE,
    // The longest interval between retries while a server is loading its data.
    maxLoadingRetryTime: LONGEST_PAUSE,
  };
}

/** Defaults that an app may override in the options that it writes for the store. */
function serverPreferences(timeout: number): RedisOptions {
  return {
    ...patience(timeout),
    retryStrategy: pauseBefore,
    sentinelRetryStrategy: pauseBefore,
    sentinelReconnectStrategy: pauseBefore,
    failoverDetector: true,
  };
}

/** Replies as the store reads them, under its own deadline. */
const PLAIN = {
  stringNumbers: false,
  replyMapping: 'legacy',
  commandTimeout: undefined,
  autoResendUnfulfilledCommands: false,
} satisfies RedisOptions;

/**
 * Our own connections never queue a command while there is no server, and never send it again after a reconnect,
 * whatever the options say. Both would let a command act after its call has failed. They leave a server that has become
 * a replica, to which the address may no longer lead.
 */
function serverRequirements({ reconnectOnError }: RedisOptions): RedisOptions {
  return {
    ...PLAIN,
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    // It would put off each command until the next turn. The store gathers commands itself.
    enableAutoPipelining: false,
    reconnectOnError: (error) => isFromReplica(error) || Boolean(reconnectOnError?.(error)),
  };
}

const CLUSTER_PREFERENCES: ClusterOptions = {
  slotsRefreshInterval: SLOTS_REFRESH,
  clusterRetryStrategy: pauseBefore,
};

/** The same for a Cluster, whose connections to its nodes are made by ioredis. */
const CLUSTER_REQUIREMENTS: ClusterOptions = {
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  retryDelayOnFailover: 0,
  // A node that reconnects by itself sends unanswered commands again. The refresh of the slots reconnects it instead.
  clusterNodeRetryStrategy: null,
  // The check sends a command to a node that may still be connecting. It fails, as nothing is queued, and `connect`
  // never settles.
  enableReadyCheck: false,
};

/** Throws a `TypeError` for the options of an app's client, or of its own, that would break a guarantee. */
export function checkDriverOptions(options: (RedisOptions & ClusterOptions) | undefined): void {
  for (const one of [options, options?.redisOptions]) {
    if (one) checkReadsAndKeys(one);
  }
}

/** Rejects reads from replicas, which lag, and key prefixes, which scripts do not see. */
function checkReadsAndKeys({ keyPrefix, scaleReads, readOnly, role }: RedisOptions & ClusterOptions): void {
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

/** Whether a client is a Cluster, by its shape: it may come from another copy of ioredis. */
export function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}
