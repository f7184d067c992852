import { setTimeout as wait } from 'node:timers/promises';
import type { Client, ClientConfig } from 'hazelcast-client';
import { Deadlines } from '../../contract/deadline.js';
import { NotOpenError } from '../../contract/errors.js';
import { askingFirst, checkConfig, hastened, scoutsOf, withFailureSettings } from './config.js';
import { driver, load } from './driver.js';
import { OFFLINE, SHUT_DOWN, kindOf, problemOf } from './errors.js';
import { closeBrokenConnections } from './guard.js';
import { Partitions } from './partitions.js';
import { membersOf, ownersOf } from './topology.js';

export type HazelcastClient = Awaited<ReturnType<typeof Client.newHazelcastClient>>;

/** Which client to use: one of `client` and `config`. */
export interface HazelcastConnectionOptions {
  /**
   * A client of yours, or a promise of one. Never shut down. Let it reconnect forever. Set
   * `jsonStringDeserializationPolicy: JsonStringDeserializationPolicy.NO_DESERIALIZATION`, so that sessions are not parsed twice. Set the property
   * `'hazelcast.client.operation.fail.on.indeterminate.state': true`: without it a write whose backup does not respond
   * counts as done, and a crash may undo a logout. With `smartRouting: false` the members need it instead:
   * `hazelcast.operation.fail.on.indeterminate.state`.
   */
  client?: HazelcastClient | Promise<HazelcastClient> | undefined;
  /** The config of a client that is created in `open` and shut down in `close`. Settings for failures are added. */
  config?: ClientConfig | undefined;
}

/** The client of one store. */
export class HazelcastConnection {
  private client: HazelcastClient | undefined;
  private listener: string | undefined;
  private stopGuard: (() => void) | undefined;
  private readonly partitions = new Partitions();
  private readonly deadlines: Deadlines;

  /**
   * @param mapNames the maps that the client must not cache
   * @param memberAdded called when a member joins the cluster
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
      const found = given.length === 0 ? 'none is set' : 'leave the other out';
      throw new TypeError(`HazelcastStore needs one of \`client\` and \`config\`: ${found}`);
    }
    if (options.config) {
      if (typeof options.config !== 'object')
        throw new TypeError('config must be an object: write { clusterName, network: { clusterMembers } }');
      checkConfig(options.config, mapNames);
    }
    // `open` reports its rejection, which must not end the process before that.
    if (options.client instanceof Promise) options.client.catch(() => {});
  }

  /** Creates our own client, or waits for the given one. Rejects with nothing left open. */
  async open(): Promise<HazelcastClient> {
    await load();
    const { client: given, config } = this.options;
    const client = await (config ? this.make(config) : this.given());
    if (!(client instanceof driver().Client)) {
      throw new TypeError(
        'client must be a Client of the copy of hazelcast-client that nestjs-session-stores imports: install only one copy',
      );
    }
    if (given) checkConfig(client.getConfig(), this.mapNames);
    this.stopGuard = closeBrokenConnections(client);
    this.listener = client.getCluster().addMembershipListener({
      memberAdded: () => {
        this.partitions.membersChanged();
        this.memberAdded();
      },
      memberRemoved: () => this.partitions.membersChanged(),
    });
    this.client = client;
    return client;
  }

  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    this.stopGuard?.();
    this.stopGuard = undefined;
    if (this.listener) client?.getCluster().removeMembershipListener(this.listener);
    if (this.options.config) await client?.shutdown();
  }

  /**
   * Throws if no call can reach the cluster. A client that waits for its cluster would send the call later, or never.
   */
  check(operation: string): void {
    if (!this.client) throw new NotOpenError('hazelcast', operation);
    if (!this.client.getLifecycleService().isRunning()) throw problemOf(operation, SHUT_DOWN);
    if (this.client.getLocalEndpoint().localAddress === null) throw problemOf(operation, OFFLINE);
  }

  /** The client. Call `check` first. */
  get opened(): HazelcastClient {
    return this.client!;
  }

  /** Whether no partition moves, so that a query that uses an index is exact. */
  areSettled(): boolean {
    const { client } = this;
    if (!client) return false;
    return this.partitions.areSettled(membersOf(client), ownersOf(client));
  }

  private async given(): Promise<HazelcastClient> {
    const given = Promise.resolve(this.options.client as HazelcastClient);
    try {
      return await this.deadlines.run(
        () => given,
        () => new Error('the promise did not settle'),
      );
    } catch (error) {
      throw problemOf(
        'open',
        `the promise of a client rejected, or did not settle within ${this.timeout} ms. See the cause`,
        error,
      );
    }
  }

  /**
   * Creates a client. A client that reconnects forever also tries forever to connect at first, and cannot be stopped.
   * So other clients, which give up by themselves, first check whether there is a cluster.
   *
   * Without them, an `open` that rejects leaves a client that tries forever, so that the process does not end by itself.
   * With one of two members frozen, 2 of 8 opens rejected at their deadline without them, and none of 8 with them. They
   * cost 50 ms of an `open`: with two members that respond it took 75 to 154 ms instead of 40 to 52 (medians of three
   * runs of 15 opens).
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
      throw notConnected(error instanceof AggregateError ? error.errors[0] : error, config);
    }
  }
}

/** Connects a scout, and shuts it down. Resolves to the addresses in its config. */
async function look(config: ClientConfig): Promise<string[]> {
  const scout = await driver().Client.newHazelcastClient(config);
  await scout.shutdown();
  return config.network?.clusterMembers ?? [];
}

/**
 * A client waits for every member when it starts. For a member that does not respond it waits as long as for a
 * heartbeat, which is longer than `open` may take. So if it is late, a second client that waits less is started in
 * parallel. It is the second choice, because for its whole life it takes a pause of that length for the end of a
 * connection.
 */
async function firstOf(config: ClientConfig, timeout: number): Promise<HazelcastClient> {
  const patience = Math.ceil(timeout / 3);
  const over = new AbortController();
  const patient = driver().Client.newHazelcastClient(config);
  patient.catch(() => over.abort());
  const hasty = wait(patience, undefined, { signal: over.signal }).then(() =>
    driver().Client.newHazelcastClient(hastened(config, patience)),
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

function notConnected(error: unknown, { network }: ClientConfig): Error {
  if (kindOf(error) === 'InvalidConfigurationError') {
    const { message } = error as Error;
    return new TypeError(`config: ${message.replace(/^Config validation error: /, '')}`, { cause: error });
  }
  const { clusterMembers = ['127.0.0.1:5701'] } = network ?? {};
  const problem = `could not connect to ${clusterMembers.join(', ')}. Are members running, and are network.clusterMembers and clusterName right?`;
  return problemOf('open', problem, error);
}
