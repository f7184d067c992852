import type { SessionStoreOperation } from '../../contract/capabilities.js';
import { Deadlines, type Deadline } from '../../contract/deadline.js';
import { MemberClock } from './clock.js';
import type { HazelcastClient, HazelcastConnection } from './connection.js';
import { addIndexes } from './lists.js';
import { JsonMap } from './map.js';
import type { Replicas } from './replica.js';
import type { Call } from './writing.js';

/** Runs one step of a call under a deadline of its own, as `SessionStore.within` does. */
type Within = <T>(
  operation: SessionStoreOperation,
  work: (deadline: Deadline) => Promise<T>,
) => T | PromiseLike<T>;

/**
 * Prepares the maps of a store, their indexes and the members' clock when the store opens, and checks at each call that
 * they can be used.
 */
export class Maps {
  readonly #connection: HazelcastConnection;
  private readonly clock = new MemberClock();
  private sessions: JsonMap | undefined;
  /** Reset when a member joins: it may belong to a cluster that was restarted and has no indexes. */
  private isIndexed = false;

  /** @param names the map of the sessions, then those of the replicas */
  constructor(
    connection: HazelcastConnection,
    private readonly names: readonly string[],
    private readonly timeout: number,
    private readonly within: Within,
  ) {
    // Private in this way, so that a store that is logged does not show its password.
    this.#connection = connection;
  }

  /** The time of this host, corrected to a second if it differs from the members'. */
  now(): number {
    return this.clock.now();
  }

  /** Gets the maps of a client that has just connected, adds the indexes, and learns the members' time. */
  async prepare(client: HazelcastClient, replicas: Replicas): Promise<void> {
    this.isIndexed = false;
    const maps = await Promise.all(this.names.map((name) => client.getMap<string, unknown>(name)));
    const [sessions, ...others] = maps.map((map) => new JsonMap(map)) as [JsonMap, ...JsonMap[]];
    this.sessions = sessions;
    replicas.open(others);
    const times = new JsonMap(await client.getMap(`${this.names[0]}.clock`));
    // A member that does not respond delays the indexes and the clock, but must not delay `open`. Without indexes lists
    // are slower, but exact.
    const isSlow = new Error('the indexes do not exist yet');
    try {
      await new Deadlines(Math.ceil(this.timeout / 2)).run(
        async () => {
          // First, because adding the indexes keeps members busy.
          await this.clock.open(times).catch(() => {});
          await this.index(sessions);
        },
        () => isSlow,
      );
    } catch (error) {
      if (error !== isSlow) throw error;
    }
  }

  /** Adds the indexes again at the next query. Call it when a member joins. */
  memberAdded(): void {
    this.isIndexed = false;
  }

  /** Begins a call. Throws if no call can reach the cluster. */
  begin(operation: SessionStoreOperation, deadline: Deadline): Call {
    this.#connection.check(operation);
    this.clock.refresh();
    return { sessions: this.sessions as JsonMap, deadline, lost: 0 };
  }

  /** Runs one step of a call that needs the indexes. */
  async query<T>(operation: SessionStoreOperation, work: (sessions: JsonMap) => Promise<T>): Promise<T> {
    return this.within(operation, async (deadline) => {
      const { sessions } = this.begin(operation, deadline);
      // Without indexes the call is slower, but exact.
      await this.index(sessions).catch(() => {});
      return work(sessions);
    });
  }

  private async index(sessions: JsonMap): Promise<void> {
    if (this.isIndexed) return;
    this.isIndexed = true;
    await addIndexes(sessions).catch((error: unknown) => {
      this.isIndexed = false;
      throw error;
    });
  }
}
