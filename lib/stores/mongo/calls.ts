import type { Deadline } from '../../contract/deadline.js';
import type { SessionStoreOperation } from '../../contract/capabilities.js';
import type { ServerClock, Window } from '../shared/clock.js';
import type { Commands } from './commands.js';
import type { MongoConnection, Send } from './connection.js';

/** Runs work under a deadline of its own, as `SessionStore.within` does. */
type Within = <T>(
  operation: SessionStoreOperation,
  work: (deadline: Deadline) => Promise<T>,
) => Promise<T> | PromiseLike<T> | T;

/** Sends the commands of calls under their deadlines, and writes within their windows. */
export class Calls {
  readonly #connection: MongoConnection;

  constructor(
    connection: MongoConnection,
    private readonly commands: Commands,
    private readonly clock: ServerClock,
    private readonly within: Within,
  ) {
    // Private in this way, so that a store that is logged does not show its password.
    this.#connection = connection;
  }

  /** Sends commands under one deadline of their own. */
  async inTime<T>(operation: SessionStoreOperation, work: (send: Send) => Promise<T>): Promise<T> {
    return this.within(operation, (deadline) => this.#connection.call(operation, deadline, work));
  }

  /**
   * Performs a write that acts only within its window. A server that was frozen executes the commands that had reached
   * it, however late, so the window is a condition of each write. `timeIfMissed` resolves to the server's time if the
   * window may have kept the write from acting, because the clock of another server was learned: then it learns the
   * time and tries again. Otherwise it resolves to `undefined`, and so does this.
   */
  write<T>(
    operation: SessionStoreOperation,
    deadline: Deadline,
    timeIfMissed: (send: Send) => Promise<Date | undefined>,
    attempt: (send: Send, window: Window) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    return this.#connection.call(operation, deadline, async (send) => {
      for (;;) {
        const done = await attempt(send, this.clock.window(deadline));
        if (done !== undefined) return done;
        const sentAt = performance.now();
        const now = await timeIfMissed(send);
        if (now === undefined) return undefined;
        this.clock.learn(sentAt, now.getTime());
      }
    });
  }

  /** Performs a write under a deadline of its own. */
  async writeInTime<T>(
    operation: SessionStoreOperation,
    timeIfMissed: (send: Send) => Promise<Date | undefined>,
    attempt: (send: Send, window: Window) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    return this.within(operation, (deadline) => this.write(operation, deadline, timeIfMissed, attempt));
  }

  /** Reads the server's time; `undefined` if no document matches `filter`. */
  timeIf(filter: Record<string, unknown>): (send: Send) => Promise<Date | undefined> {
    return async (send) => {
      const [met] = await this.commands.findAll<{ now: Date }>(send, {
        filter,
        projection: { _id: 0, now: '$$NOW' },
        limit: 1,
      });
      return met?.now;
    };
  }
}

/** Reads the server's time. */
export async function timeOf(send: Send): Promise<Date> {
  const { localTime } = await send({ hello: 1 });
  return localTime as Date;
}
