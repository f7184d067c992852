import type { Connection } from 'mongoose';
import type { Deadline } from '../../contract/deadline.js';

type Database = NonNullable<Connection['db']>;
type Client = ReturnType<Connection['getClient']>;

/** A session of the server, as it calls them. A cursor is read in the one in which it was opened. */
export class LogicalSession {
  readonly #database: Database;
  readonly #session: ReturnType<Client['startSession']>;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  #end: (() => void) | undefined;

  constructor(client: Client, database: Database) {
    this.#database = database;
    // With causal consistency the driver would add to the read concern of commands.
    this.#session = client.startSession({ causalConsistency: false });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Sends a command to the primary, and sets no limit of time for the server. Canceled after its deadline. */
  async send<T>(command: Record<string, unknown>, deadline: Deadline): Promise<T> {
    const call = new AbortController();
    deadline.whenOver = () => call.abort();
    if (deadline.isOver) call.abort();
    try {
      return (await this.#database.command(command, {
        readPreference: 'primary',
        session: this.#session,
        signal: call.signal,
      })) as T;
    } finally {
      deadline.whenOver = undefined;
    }
  }

  end(): void {
    this.#end?.();
    void this.#session.endSession().catch(() => {});
  }
}
