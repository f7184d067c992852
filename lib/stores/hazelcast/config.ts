import type { ClientConfig } from 'hazelcast-client';
import { driver } from './driver.js';

/** Throws for settings that would break a guarantee. */
export function checkConfig(
  { nearCaches, network, connectionStrategy }: ClientConfig,
  mapNames: string[],
): void {
  const cached = Object.keys(nearCaches ?? {}).some((pattern) =>
    mapNames.some((name) => matches(name, pattern)),
  );
  if (cached) {
    throw new TypeError(
      'nearCaches must not contain these maps, because they would show destroyed sessions: leave them out',
    );
  }
  if (network?.redoOperation) {
    throw new TypeError('redoOperation must not be set, because writes may be sent twice: leave it out');
  }
  if (connectionStrategy?.asyncStart) {
    throw new TypeError(
      'asyncStart must not be set, because the client may keep only one connection: leave it out',
    );
  }
}

/** Whether a map's name matches a pattern, as in the client and the members: `*` is any text. */
export function matches(name: string, pattern: string): boolean {
  const [start, end] = pattern.split('*', 2) as [string, string?];
  if (end === undefined) return name === pattern;
  return name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end);
}

/** The property by which a write fails if its backup does not respond: else it counts as done, and a crash undoes it. */
export const INDETERMINATE = 'hazelcast.client.operation.fail.on.indeterminate.state';

/**
 * Adds settings by which a client fails calls at once while there is no cluster, notices that soon, and never gives up.
 */
export function withFailureSettings(config: ClientConfig, timeout: number): ClientConfig {
  const { network, connectionStrategy, serialization, properties } = config;
  return {
    ...config,
    network: { connectionTimeout: timeout, ...network },
    connectionStrategy: {
      ...connectionStrategy,
      reconnectMode: driver().ReconnectMode.ASYNC,
      connectionRetry: {
        initialBackoffMillis: 250,
        maxBackoffMillis: 5000,
        multiplier: 2,
        jitter: 0.2,
        ...connectionStrategy?.connectionRetry,
        clusterConnectTimeoutMillis: -1,
      },
    },
    serialization: {
      ...serialization,
      jsonStringDeserializationPolicy: driver().JsonStringDeserializationPolicy.NO_DESERIALIZATION,
    },
    properties: {
      'hazelcast.client.heartbeat.interval': 2000,
      'hazelcast.client.heartbeat.timeout': 10_000,
      'hazelcast.client.operation.backup.timeout.millis': 1000,
      'hazelcast.client.invocation.retry.pause.millis': 100,
      'hazelcast.logging.level': 'WARN',
      ...properties,
      // A call that was given up must not be sent again.
      'hazelcast.client.invocation.timeout.millis': timeout,
      [INDETERMINATE]: true,
    },
  };
}

/** The config with the members that responded first, so that the client does not wait for those that do not. */
export function askingFirst(found: string[], config: ClientConfig): ClientConfig {
  if (found.length === 0) return config;
  const others = config.network?.clusterMembers?.filter((address) => !found.includes(address)) ?? [];
  return {
    ...config,
    network: { ...config.network, clusterMembers: [...found, ...others] },
    properties: { ...config.properties, 'hazelcast.client.shuffle.member.list': false },
  };
}

/** The config of a client that waits less for a member that does not respond. */
export function hastened(config: ClientConfig, patience: number): ClientConfig {
  return {
    ...config,
    properties: {
      ...config.properties,
      'hazelcast.client.heartbeat.interval': Math.ceil(patience / 4),
      'hazelcast.client.heartbeat.timeout': patience,
    },
  };
}

/**
 * One scout per address, because a client tries one address after the other, and waits for each that does not respond.
 * With one scout for both addresses, 2 of 8 opens rejected while one of two members was frozen.
 */
export function scoutsOf(config: ClientConfig, timeout: number): ClientConfig[] {
  const { network, connectionStrategy, properties } = config;
  const { connectionTimeout, clusterMembers } = network ?? {};
  // Half of the time to connect, half to be accepted.
  const within = Math.ceil(timeout / 2);
  const isLonger = connectionTimeout === 0 || connectionTimeout! > within;
  const scout: ClientConfig = {
    ...config,
    // A scout needs one member, not all that this one knows.
    network: { ...network, connectionTimeout: isLonger ? within : connectionTimeout, smartRouting: false },
    connectionStrategy: {
      ...connectionStrategy,
      connectionRetry: { ...connectionStrategy?.connectionRetry, clusterConnectTimeoutMillis: within },
    },
    lifecycleListeners: [],
    membershipListeners: [],
    properties: {
      ...properties,
      // This also limits how long it waits to be accepted.
      'hazelcast.client.heartbeat.timeout': within,
      // Its connections are not guarded, and without pipelining they need not be: see `closeBrokenConnections`.
      'hazelcast.client.autopipelining.enabled': false,
      'hazelcast.logging.level': 'OFF',
    },
  };
  if (!Array.isArray(clusterMembers) || clusterMembers.length === 0) return [scout];
  return clusterMembers.map((address) => asking(address, scout));
}

function asking(address: string, config: ClientConfig): ClientConfig {
  return { ...config, network: { ...config.network, clusterMembers: [address] } };
}
