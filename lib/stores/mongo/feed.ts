import { Deadlines, type Deadline } from '../../contract/deadline.js';
import { SessionStoreError } from '../../contract/errors.js';
import { FEED_TIMEOUT } from '../../contract/feed-run.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type { Commands } from './commands.js';
import type { MongoConnection, Response } from './connection.js';
import { failed } from './errors.js';
import { announced, isEnd, type ChangeEvent } from './events.js';
import type { LogicalSession } from './logical-session.js';
import { positionIn, type Position, type ResumeToken } from './positions.js';

/** Why a server has no feed, by its response to `hello`; `true` if it has one. */
export function feedOf({ setName }: Response): true | string {
  if (setName !== undefined) return true;
  return 'a standalone server has no change streams. Convert it to a replica set, which may have a single member';
}

/** What a change stream needs of its store. */
interface Backend {
  readonly connection: MongoConnection;
  readonly commands: Commands;
}

/** Opens a change stream. `deadline` is that of the opening. */
export async function openFeed(
  backend: Backend,
  sink: SessionFeedSink,
  deadline: Deadline,
): Promise<SessionFeedSource> {
  const { connection, commands } = backend;
  const start = await connection.call('watch', deadline, (send) => commands.committed(send));
  const session = connection.session('watch');
  try {
    const opened = await session.send(commands.changes(start), deadline);
    return new ChangeStream(backend, session, (opened as unknown as CursorResponse).cursor, sink);
  } catch (error) {
    session.end();
    throw error;
  }
}

/** How long the server waits for an event before it responds without one, in milliseconds. */
const AWAIT = FEED_TIMEOUT / 4;

interface CursorResponse {
  cursor: { id: unknown; nextBatch: ChangeEvent[]; postBatchResumeToken: ResumeToken };
}

/**
 * The change stream of a collection, read with plain commands. The driver's own class resumes a stream that fails, and
 * hides that it did.
 *
 * A probe asks the primary for a position after everything that was acknowledged (`Commands.latest`), and waits until the
 * stream has passed it. A stream returns what a majority has, in one order on all members. So it does not matter which
 * member it is read from: one that is no longer primary and lags does not reach the position in time.
 */
class ChangeStream implements SessionFeedSource {
  readonly #backend: Backend;
  readonly #session: LogicalSession;
  readonly #cursor: bigint;
  readonly #sink: SessionFeedSink;
  readonly #deadlines = new Deadlines(FEED_TIMEOUT);
  /** Everything before it was returned. */
  #position: Position;
  /** What the probe waits for. */
  #wanted: { position: Position; reached: () => void } | undefined;
  #isClosed = false;

  constructor(
    backend: Backend,
    session: LogicalSession,
    { id, postBatchResumeToken }: Pick<CursorResponse['cursor'], 'id' | 'postBatchResumeToken'>,
    sink: SessionFeedSink,
  ) {
    this.#backend = backend;
    this.#session = session;
    // The driver returns a small one as a number, which it would not send as the integer of 64 bits that it is.
    this.#cursor = BigInt(String(id));
    this.#sink = sink;
    this.#position = positionOfBatch(postBatchResumeToken);
    void this.#follow();
  }

  async probe(): Promise<void> {
    const { connection, commands } = this.#backend;
    const position = await this.#explained(async (deadline) =>
      connection.call('watch', deadline, (send) => commands.latest(send)),
    );
    if (this.#position >= position) return;
    await new Promise<void>((reached) => {
      this.#wanted = { position, reached };
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wanted = undefined;
    void this.#end();
  }

  async #follow(): Promise<void> {
    try {
      while (!this.#isClosed) this.#take(await this.#next());
    } catch (error) {
      if (!this.#isClosed) this.#sink.lost((error as Error).message);
    }
  }

  async #next(): Promise<CursorResponse['cursor']> {
    const { cursor } = await this.#explained(
      (deadline) =>
        this.#session.send(
          this.#backend.commands.more(this.#cursor, AWAIT),
          deadline,
        ) as Promise<unknown> as Promise<CursorResponse>,
    );
    return cursor;
  }

  #take({ id, nextBatch: events, postBatchResumeToken }: CursorResponse['cursor']): void {
    if (this.#isClosed) return;
    for (const { type, ids } of announced(events)) this.#sink.heard(type, ids);
    if (events.some(isEnd) || Number(id) === 0) throw failure('the collection was dropped or renamed');
    this.#position = positionOfBatch(postBatchResumeToken);
    if (!this.#wanted || this.#position < this.#wanted.position) return;
    this.#wanted.reached();
    this.#wanted = undefined;
  }

  /** Runs a command within the timeout of feeds. Rejects with an error that shows neither session data nor an address. */
  async #explained<T>(work: (deadline: Deadline) => Promise<T>): Promise<T> {
    try {
      return await this.#deadlines.run(work, () =>
        failure(`the primary did not respond within ${FEED_TIMEOUT} ms`),
      );
    } catch (error) {
      throw error instanceof SessionStoreError
        ? error
        : failed('watch', error, this.#backend.connection.address);
    }
  }

  async #end(): Promise<void> {
    const { commands } = this.#backend;
    // If it fails, the server closes the cursor ten minutes later, because nothing reads it.
    await this.#explained((deadline) => this.#session.send(commands.kill(this.#cursor), deadline)).catch(
      () => {},
    );
    this.#session.end();
  }
}

function positionOfBatch(token: ResumeToken): Position {
  const position = positionIn(token);
  if (position === undefined) throw failure('the change stream has resume tokens of an unknown format');
  return position;
}

function failure(problem: string): SessionStoreError {
  return new SessionStoreError('mongo', 'watch', problem);
}
