import { Deadlines, type Deadline } from '../../contract/deadline.js';
import { SessionStoreError } from '../../contract/errors.js';
import { FEED_TIMEOUT } from '../../contract/feed-run.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import { cursorIdOf, type Commands } from './commands.js';
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
    const { cursor } = await session.send<CursorResponse>(commands.changes(start), deadline);
    return new ChangeStream(backend, session, cursor, sink);
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
 * The change stream of a collection, read with plain commands. The driver's own class hides that it has resumed a stream,
 * and stays with a member that is no longer primary. Each of these commands goes to the member that is primary now, which
 * does not know the cursor of another one.
 *
 * A probe asks the primary for a position after everything that was acknowledged (`Commands.latest`), and waits until the
 * stream has reached it. A stream returns what a majority has, in the order of the oplog, which is the same on all members.
 * So a stream that has reached the position is complete, and one of a member that lags does not reach it in time.
 */
class ChangeStream implements SessionFeedSource {
  readonly #backend: Backend;
  readonly #session: LogicalSession;
  readonly #cursor: bigint;
  readonly #sink: SessionFeedSink;
  readonly #deadlines = new Deadlines(FEED_TIMEOUT);
  /** Everything before it was heard. */
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
    this.#cursor = cursorIdOf(id);
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
    const more = this.#backend.commands.more(this.#cursor, AWAIT);
    const { cursor } = await this.#explained((deadline) =>
      this.#session.send<CursorResponse>(more, deadline),
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
