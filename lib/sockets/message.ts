import type { CallHandler } from '@nestjs/common';
import { catchError, concatMap, concatWith, defer, EMPTY, from, mergeMap, of, type Observable } from 'rxjs';
import { runMessage, type GatewayMessage } from '../nest/message.js';
import type { SessionIncomingMessage, SessionRequest } from '../session/work.js';

/** An acknowledgement of Socket.IO's, which the client waits for. */
type Acknowledge = (...values: unknown[]) => void;

/** One message's work on the session of its socket. What runs inside it finds it by the socket. */
export class SessionMessage implements GatewayMessage {
  /** A failed commit was handed to exception filters: what answers from here on is theirs. */
  #handed = false;

  /**
   * @param waits told of each commit that must be waited for
   * @param refusal why the handler must not run; `undefined` when it may
   */
  constructor(
    readonly client: unknown,
    private readonly request: SessionRequest,
    private readonly waits: (commit: Promise<void>) => void,
    private readonly refusal?: { error: unknown },
  ) {}

  /** Where the session is, as for a request. Throws for a message that is refused. */
  get req(): SessionIncomingMessage {
    if (this.refusal) throw this.refusal.error;
    return this.request.req;
  }

  /** Runs `work` and all that comes of it inside this message. */
  run<T>(work: () => T): T {
    return runMessage(this, work);
  }

  /** Runs a handler, unless the message is refused: that reaches exception filters, and so does a failed commit. */
  handled(handler: CallHandler): Observable<unknown> {
    return defer(() => {
      if (this.refusal) throw this.refusal.error;
      return this.saved(handler.handle());
    });
  }

  /**
   * What a handler answers, each once what it tells is stored: the session is committed before the first answer and at
   * the end. A failed commit is an error in place of the answer.
   */
  saved(answers: Observable<unknown>): Observable<unknown> {
    return answers.pipe(
      concatMap((answer, index) => (index === 0 ? this.#afterCommit(of(answer)) : of(answer))),
      concatWith(this.#afterCommit(EMPTY)),
      catchError((error: unknown) => from(this.#failed(error))),
    );
  }

  /** An acknowledgement that a handler gives itself: not before what it changed is stored, and not if that failed. */
  acknowledgement(acknowledge: Acknowledge): Acknowledge {
    return (...values) => {
      const commit = this.request.commit();
      if (commit) {
        // What the handler ends with tells of the failure.
        commit.then(
          () => acknowledge(...values),
          () => {},
        );
      } else if (!this.request.failure || this.#handed) acknowledge(...values);
    };
  }

  /** Whether `error` says that the session was not saved. */
  isFailure(error: unknown): boolean {
    return this.request.failure?.error === error;
  }

  /** Whether the session has ended, as far as this message knows. */
  get sessionEnded(): boolean {
    return this.request.ended;
  }

  /** Saves what changed when nobody is there to answer. */
  commitUnseen(): void {
    this.request.commit()?.catch((error: unknown) => this.request.failedLate(error));
  }

  #afterCommit<T>(rest: Observable<T>): Observable<T> {
    return defer(() => {
      const commit = this.request.commit();
      if (commit) {
        this.waits(commit);
        return from(commit).pipe(mergeMap(() => rest));
      }
      this.#throwFailure();
      return rest;
    });
  }

  async #failed(error: unknown): Promise<never> {
    // A handler that throws has changed what it has changed; the failure of a commit is not the handler's own.
    if (this.request.failure?.error !== error) {
      await this.request.commit()?.catch(() => {});
      this.#throwFailure(error);
    } else this.#handed = true;
    throw error;
  }

  #throwFailure(cause?: unknown): void {
    const { failure } = this.request;
    if (!failure || this.#handed) return;
    if (cause !== undefined) {
      this.#handed = true;
      if (failure.error instanceof Error) failure.error.cause = cause;
    }
    throw failure.error;
  }
}
