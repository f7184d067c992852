import type { CallHandler } from '@nestjs/common';
import {
  catchError,
  concatMap,
  concatWith,
  defer,
  EMPTY,
  finalize,
  from,
  mergeMap,
  of,
  type Observable,
} from 'rxjs';
import type { SocketExchange } from '../handshake/exchange.js';
import { runMessage, type GatewayMessage } from '../nest/transports/sockets.js';
import { keepBoth } from '../http/failure.js';
import type { SessionWork } from '../session/work.js';

/** An acknowledgement function of Socket.IO. */
type Acknowledge = (...values: unknown[]) => void;

/** One message's work on the session of its socket. Code that runs inside the message finds it by the socket. */
export class SessionMessage implements GatewayMessage {
  /** Whether the handler has ended. */
  #isOver = false;
  /** Whether a failed commit was passed to exception filters: later responses are theirs. */
  #handed = false;

  /**
   * @param waits called with each commit that the message waits for
   * @param rejection why the handler must not run; `undefined` if it may run
   */
  constructor(
    readonly client: unknown,
    private readonly exchange: SocketExchange,
    private readonly waits: (commit: Promise<void>) => void,
    private readonly rejection?: { error: unknown },
  ) {}

  get session(): unknown {
    if (this.rejection) throw this.rejection.error;
    return this.exchange.session;
  }

  isOwn(value: unknown): boolean {
    return this.exchange.isOwn(value);
  }

  noteHandler(isPassive: boolean): void {
    this.exchange.noteHandler(isPassive);
  }

  refresh(): Promise<void> {
    return this.exchange.refresh();
  }

  get #work(): SessionWork {
    return this.exchange.work;
  }

  /** Runs `work`, and everything that it starts, inside this message. */
  run<T>(work: () => T): T {
    return runMessage(this, work);
  }

  /** Runs a handler, unless the message is rejected. A rejection and a failed commit reach exception filters. */
  handled(handler: CallHandler): Observable<unknown> {
    return defer(() => {
      if (this.rejection) throw this.rejection.error;
      return this.saved(handler.handle());
    });
  }

  /**
   * Emits a handler's responses. The session is committed before the first of them, and at the end. If a commit fails,
   * its error replaces the response.
   */
  saved(responses: Observable<unknown>): Observable<unknown> {
    return responses.pipe(
      concatMap((response, index) => (index === 0 ? this.#afterCommit(of(response)) : of(response))),
      concatWith(this.#afterCommit(EMPTY)),
      catchError((error: unknown) => from(this.#failed(error))),
      finalize(() => {
        this.#isOver = true;
      }),
    );
  }

  /** Wraps an acknowledgement that a handler calls itself: it is sent after the commit, and not if the commit fails. */
  acknowledgement(acknowledge: Acknowledge): Acknowledge {
    return (...values) => {
      const commit = this.#work.commit();
      if (commit) {
        commit.then(
          () => this.#acknowledge(acknowledge, values),
          (error: unknown) => {
            // The end of the handler reports the failure, unless it is over.
            if (this.#isOver) this.exchange.failedLate(error);
          },
        );
      } else if (!this.#work.failure || this.#handed) acknowledge(...values);
    };
  }

  #acknowledge(acknowledge: Acknowledge, values: unknown[]): void {
    try {
      acknowledge(...values);
    } catch (error) {
      // A value that cannot be sent. The handler, which it would be thrown at, has gone on.
      this.exchange.failedLate(error, 'an acknowledgement could not be sent');
    }
  }

  /** Whether `error` says that the session was not saved. */
  isFailure(error: unknown): boolean {
    return this.#work.failure?.error === error;
  }

  /** Saves the changes when no response can be sent. */
  commitUnseen(): void {
    this.#work.commit()?.catch((error: unknown) => this.exchange.failedLate(error));
  }

  #afterCommit<T>(rest: Observable<T>): Observable<T> {
    return defer(() => {
      const commit = this.#work.commit();
      if (commit) {
        this.waits(commit);
        return from(commit).pipe(mergeMap(() => rest));
      }
      this.#throwFailure();
      return rest;
    });
  }

  async #failed(error: unknown): Promise<never> {
    // The changes of a handler that throws are saved too. The error of a failed commit is not the handler's own.
    if (this.#work.failure?.error !== error) {
      await this.#work.commit()?.catch(() => {});
      this.#throwFailure(error);
    } else this.#handed = true;
    throw error;
  }

  #throwFailure(cause?: unknown): void {
    const { failure } = this.#work;
    if (!failure || this.#handed) return;
    if (cause !== undefined) {
      this.#handed = true;
      keepBoth(failure.error, cause, (error, what) => this.exchange.failedLate(error, what));
    }
    throw failure.error;
  }
}
