import { setTimeout as wait } from 'node:timers/promises';
import { Client, JsonStringDeserializationPolicy, ReconnectMode, type ClientConfig } from 'hazelcast-client';
import { Deadlines } from '../../contract/deadline.js';
import { notOpen } from '../../contract/errors.js';
import { OFFLINE, SHUT_DOWN, kindOf, problemOf } from './errors.js';

export type HazelcastClient = Awaited<ReturnType<typeof Client.newHazelcastClient>>;

/** Which client to use: one of `client` and `config`. */
export interface HazelcastConnectionOptions {
  /**
   * A client of yours, or a promise of one; never shut down. Let it reconnect for ever and give
   * `jsonStringDeserializationPolicy: 'NO_DESERIALIZATION'`, which saves parsing sessions twice. Give it the property
   * `'hazelcast.client.operation.fail.on.indeterminate.state': true`, too: without, a write that has no backup yet
   * passes for done when the backup stays mute, and a logout may be undone by a crash. With `smartRouting: false` it is
   * the members that need it: `hazelcast.operation.fail.on.indeterminate.state`.
   */
  client?: HazelcastClient | Promise<HazelcastClient> | undefined;
  /** What to make a client of in `open`, shut down in `close`; what failures need is set beside it. */
  config?: ClientConfig | undefined;
}

/** The client of one store. */
export class HazelcastConnection {
  private client: HazelcastClient | undefined;
  private listener: string | undefined;
  private readonly deadlines: Deadlines;

  /**
   * @param mapNames the maps that the client must not cache
   * @param memberAdded called when there is a member that was not there before
   */
  constructor(
    private readonly options: HazelcastConnectionOptions,
    private readonly mapNames: string[],
    private readonly timeout: number,
    private readonly memberAdded: () => void,
  ) {
    this.deadlines = new Deadlines(timeout);
    const given = [options.client, options.config].filter((one) => one !== undefined && one !== null);
    if (given.length !== 1) {
      const found = given.length === 0 ? 'none of them is set' : 'both are set';
      throw new TypeError(`HazelcastStore needs one of \`client\` and \`config\`: ${found}`);
    }
    if (options.config) {
      if (typeof options.config !== 'object') throw new TypeError('config must be an object');
      checkConfig(options.config, mapNames);
    }
    // That it failed is told by `open`, and must not end the process before.
    if (options.client instanceof Promise) options.client.catch(() => {});
  }

  /** Connects what is ours; rejects when that fails, with nothing left open. */
  async open(): Promise<HazelcastClient> {
    const { client: given, config } = this.options;
    const client = await (config ? this.make(config) : this.given());
    if (!(client instanceof Client)) {
      throw new TypeError(
        'client must be made by the copy of hazelcast-client that nestjs-session-stores finds: there are two, or it is none',
      );
    }
    if (given) checkConfig(client.getConfig(), this.mapNames);
    const { memberAdded } = this;
    this.listener = client.getCluster().addMembershipListener({ memberAdded, memberRemoved: () => {} });
    this.client = client;
    return client;
  }

  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    if (this.listener) client?.getCluster().removeMembershipListener(this.listener);
    if (this.options.config) await client?.shutdown();
  }

  /** Throws when no call can get through: a client that waits for its cluster would make it later, or never. */
  check(operation: string): void {
    if (!this.client) throw notOpen('hazelcast', operation);
    if (!this.client.getLifecycleService().isRunning()) throw problemOf(operation, SHUT_DOWN);
    if (this.client.getLocalEndpoint().localAddress === null) throw problemOf(operation, OFFLINE);
  }

  private async given(): Promise<HazelcastClient> {
    const given = Promise.resolve(this.options.client as HazelcastClient);
    try {
      return await this.deadlines.run(
        () => given,
        () => new Error('it did not settle'),
      );
    } catch (error) {
      throw problemOf('open', `the promise of a client gave none in ${this.timeout} ms`, error);
    }
  }

  /**
   * A client that reconnects for ever also tries for ever to connect at first, and there is no way to stop it. So
   * others that give up by themselves look first whether there is a cluster.
   */
  private async make(config: ClientConfig): Promise<HazelcastClient> {
    const ours = withFailureSettings(config, this.timeout);
    const connect = async (): Promise<HazelcastClient> => {
      const found = await Promise.any(scoutsOf(ours, this.timeout).map(look));
      return firstOf(askingFirst(found, ours), this.timeout);
    };
    const work = connect();
    let isLate = false;
    work.then(
      async (client) => {
        if (isLate) await client.shutdown();
      },
      () => {},
    );
    try {
      return await this.deadlines.run(
        () => work,
        () => {
          isLate = true;
          return new Error(`no member responded within ${this.timeout} ms`);
        },
      );
    } catch (error) {
      throw notConnected(error instanceof AggregateError ? error.errors[0] : error);
    }
  }
}

/** What makes a client fail at once while there is no cluster, notice soon that there is none, and never give up. */
function withFailureSettings(config: ClientConfig, timeout: number): ClientConfig {
  const { network, connectionStrategy, serialization, properties } = config;
  return {
    ...config,
    network: { connectionTimeout: timeout, ...network },
    connectionStrategy: {
      ...connectionStrategy,
      reconnectMode: ReconnectMode.ASYNC,
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
      jsonStringDeserializationPolicy: JsonStringDeserializationPolicy.NO_DESERIALIZATION,
    },
    properties: {
      'hazelcast.client.heartbeat.interval': 2000,
      'hazelcast.client.heartbeat.timeout': 10_000,
      'hazelcast.client.operation.backup.timeout.millis': 1000,
      'hazelcast.client.invocation.retry.pause.millis': 100,
      'hazelcast.logging.level': 'WARN',
      ...properties,
      // What was given up must not be sent again.
      'hazelcast.client.invocation.timeout.millis': timeout,
      // Else a write whose backup never answered passes for done, and is undone when its member crashes.
      'hazelcast.client.operation.fail.on.indeterminate.state': true,
    },
  };
}

/** Resolves to the members that were asked, when one of them let the scout in. */
async function look(config: ClientConfig): Promise<string[]> {
  const scout = await Client.newHazelcastClient(config);
  await scout.shutdown();
  return config.network?.clusterMembers ?? [];
}

/** The same, but whoever answered is asked first, so that one that stays mute is not waited for. */
function askingFirst(found: string[], config: ClientConfig): ClientConfig {
  if (found.length === 0) return config;
  const others = config.network?.clusterMembers?.filter((address) => !found.includes(address)) ?? [];
  return {
    ...config,
    network: { ...config.network, clusterMembers: [...found, ...others] },
    properties: { ...config.properties, 'hazelcast.client.shuffle.member.list': false },
  };
}

/**
 * A client waits at its start for every member, for one that stays mute as long as for a heartbeat: longer than a start
 * may take. So when it does not come, another tries beside it that waits less. It is the second choice, as it also
 * takes a pause of that length for the end of a connection, for as long as it lives.
 */
async function firstOf(config: ClientConfig, timeout: number): Promise<HazelcastClient> {
  const patience = Math.ceil(timeout / 3);
  const over = new AbortController();
  const patient = Client.newHazelcastClient(config);
  patient.catch(() => over.abort());
  const hasty = wait(patience, undefined, { signal: over.signal }).then(() =>
    Client.newHazelcastClient(hastened(config, patience)),
  );
  const first = await Promise.any([patient, hasty]).finally(() => over.abort());
  for (const made of [patient, hasty]) {
    made.then(
      async (client) => {
        if (client !== first) await client.shutdown();
      },
      () => {},
    );
  }
  return first;
}

function hastened(config: ClientConfig, patience: number): ClientConfig {
  return {
    ...config,
    properties: {
      ...config.properties,
      'hazelcast.client.heartbeat.interval': Math.ceil(patience / 4),
      'hazelcast.client.heartbeat.timeout': patience,
    },
  };
}

/** One for each address, as a client asks one after the other, and waits for each of those that stay mute. */
function scoutsOf(config: ClientConfig, timeout: number): ClientConfig[] {
  const { network, connectionStrategy, properties } = config;
  const { connectionTimeout, clusterMembers } = network ?? {};
  // Half to connect, half to be let in.
  const within = Math.ceil(timeout / 2);
  const isLonger = connectionTimeout === 0 || connectionTimeout! > within;
  const scout: ClientConfig = {
    ...config,
    // It needs one member, not all that this one knows.
    network: { ...network, connectionTimeout: isLonger ? within : connectionTimeout, smartRouting: false },
    connectionStrategy: {
      ...connectionStrategy,
      connectionRetry: { ...connectionStrategy?.connectionRetry, clusterConnectTimeoutMillis: within },
    },
    lifecycleListeners: [],
    membershipListeners: [],
    properties: {
      ...properties,
      // This also limits how long it waits to be let in.
      'hazelcast.client.heartbeat.timeout': within,
      'hazelcast.logging.level': 'OFF',
    },
  };
  if (!Array.isArray(clusterMembers) || clusterMembers.length === 0) return [scout];
  return clusterMembers.map((address) => asking(address, scout));
}

function asking(address: string, config: ClientConfig): ClientConfig {
  return { ...config, network: { ...config.network, clusterMembers: [address] } };
}

function notConnected(error: unknown): Error {
  if (kindOf(error) === 'InvalidConfigurationError') {
    const { message } = error as Error;
    return new TypeError(`config: ${message.replace(/^Config validation error: /, '')}`, { cause: error });
  }
  const problem =
    'could not connect: are members running, and are network.clusterMembers and clusterName right?';
  return problemOf('open', problem, error);
}

/** Refuses what would void a guarantee. */
function checkConfig({ nearCaches, network, connectionStrategy }: ClientConfig, mapNames: string[]): void {
  const cached = Object.keys(nearCaches ?? {}).some((pattern) =>
    mapNames.some((name) => matches(name, pattern)),
  );
  if (cached) throw new TypeError('a near cache shows sessions that have ended: leave it out for these maps');
  if (network?.redoOperation) {
    throw new TypeError('redoOperation would do twice what must be done once: leave it out');
  }
  if (connectionStrategy?.asyncStart) {
    throw new TypeError('asyncStart leaves a client with one connection of several: leave it out');
  }
}

/** As the client matches the names of maps to its settings: `*` is any text. */
function matches(name: string, pattern: string): boolean {
  const [start, end] = pattern.split('*', 2) as [string, string?];
  if (end === undefined) return name === pattern;
  return name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end);
}
