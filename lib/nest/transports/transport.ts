import type { CallHandler, ExecutionContext } from '@nestjs/common';
import type { Observable } from 'rxjs';
import type { OpenConnections } from '../../session/connections.js';

/** The session for which a handler runs. */
export interface HandlerWork {
  /** The session; `undefined` after it was destroyed. Throws for a message that is rejected. */
  readonly session: unknown;
  /**
   * Whether `value` is a session object of this package, and not what a handler or another package put in its place.
   */
  isOwn(value: unknown): boolean;
  /** Records that a handler runs with the session. One that is passive does not renew it. */
  noteHandler(isPassive: boolean): void;
  /**
   * Rejects with a `CrossSiteError` if the handler must not run. `accepts` says whether it accepts requests of pages of
   * other sites. Absent if it is not a request that has the session.
   */
  checkSite?(accepts: boolean): Promise<void>;
  /** Reads the session if it came from the cache, into the same object. Keeps changes, which are saved before that. */
  refresh(): Promise<void>;
}

/** How the handlers of one kind get sessions, whatever `@Session()`, guards and interceptors they have. */
export interface Transport<Work extends HandlerWork = HandlerWork> {
  /** The session for which a handler runs; `undefined` if it has none. */
  workOf(context: ExecutionContext): Work | undefined;
  /** Why a handler has no session, and what to do about it. */
  whyNone(context: ExecutionContext): string;
  /** Runs a handler. A failed commit of its session reaches exception filters. */
  settle(
    work: Work | undefined,
    handler: CallHandler,
    about: { context: ExecutionContext; connections: OpenConnections },
  ): Observable<unknown>;
}
