import type { ServerResponse } from 'node:http';
import { dropLate, FailedResponse } from './failed-response.js';
import { sayWhenToRetryAfter, sendFailure } from './failure.js';
import { checkChunk, sendFirst } from './head.js';
import { drop, Held } from './held.js';
import { headersSent, putSeal, type AnyMethod, type Call, type Method, type Response } from './patch.js';
import { ResponseBefore } from './response-before.js';

/** The part of the request's session that a sealed response uses. */
export interface SealedSession {
  /** Saves the changes. `undefined` if there is nothing to wait for. */
  commit(): Promise<void> | undefined;
  /** The error of a failed commit. */
  readonly failure: { readonly error: unknown } | undefined;
  /**
   * A function that sets the session's headers on the response; `undefined` if there are none. Called before the first
   * byte.
   */
  takeHeaders(): ((res: ServerResponse) => void) | undefined;
  /** The commit failed before the first byte. Returns whether an error handler or filter responds to it. */
  failed(error: unknown): boolean;
  /** Logs an error that no response can report any more. `what` says what failed; default: the commit. */
  failedLate(error: unknown, what?: string): void;
  /**
   * Whether an exception filter will respond to a failed commit, so that the handler's further writes must be dropped.
   */
  readonly isGuarded: boolean;
  /** The response was sent without a call of its methods. Saves the changes, if there are any, and logs that. */
  sentUnsealed(): void;
  /** The response was sent. */
  sent(): void;
}

/**
 * Holds `res` until the session is committed. The first `writeHead`, `write`, `end` or `flushHeaders` seals the
 * response and starts the commit. Calls after it wait in order. Nothing is sent before the changes are stored.
 */
export function sealResponse(res: ServerResponse, session: SealedSession): Seal {
  const seal = new Seal(res, session);
  putSeal(res, seal);
  return seal;
}

/**
 * `open`: nothing was sent. `sealing`: the `writeHead` hooks of other middleware run. `held`: sealed, and a commit is
 * in flight. `sent`: the headers were sent. `ending`: everything but the `end` was sent, and a commit is in flight.
 * `failed`: a commit failed, and an error response may be sent. `done`: every call is passed on.
 */
type Phase = 'open' | 'sealing' | 'held' | 'sent' | 'ending' | 'failed' | 'done';

/** Holds the calls of one response until its session is committed. */
export class Seal {
  readonly #res: Response;
  readonly #session: SealedSession;
  readonly #before: ResponseBefore;
  #phase: Phase = 'open';
  #held: Held | undefined;
  #failed: FailedResponse | undefined;

  constructor(res: Response, session: SealedSession) {
    this.#res = res;
    this.#session = session;
    this.#before = new ResponseBefore(res);
    if (!res.headersSent) return;
    // Earlier middleware has begun the response, so it cannot carry a token.
    session.takeHeaders();
    this.#sent(res.writableEnded);
  }

  /** Whether the response looks sent although it is held. */
  get holds(): boolean {
    return this.#phase === 'held';
  }

  /** Whether the response has begun, and its end is held. */
  get ends(): boolean {
    return this.#phase === 'ending';
  }

  /** A call that reached the response's class: held, or passed on if there is nothing to wait for. */
  call(method: Method, args: unknown[], original: AnyMethod): unknown {
    switch (this.#phase) {
      case 'open':
        return this.#seal([method, args, original]);
      case 'sealing':
      case 'held':
        return this.#held!.take(method, args, original);
      case 'sent':
        if (method === 'end') return this.#endStream(args, original);
        return original.apply(this.#res, args);
      case 'ending':
        if (method === 'writeHead') throw headersSent('write');
        return dropLate(this.#res, method, args);
      case 'failed':
        return this.#failed!.call([method, args, original]);
      case 'done':
        return original.apply(this.#res, args);
    }
  }

  #seal(call: Call): unknown {
    const [method, args, original] = call;
    const commit = this.#session.commit();
    // The handler has not begun a response, so this is the error response.
    if (!commit && this.#session.failure) return this.#fail(false).call(call);
    if (!commit) {
      this.#sent(method === 'end');
      return this.#first(call);
    }
    let result: unknown;
    try {
      this.#held = new Held(this.#res);
      this.#callHeaderHooks(method);
      result = this.#held.take(method, args, original);
      this.#phase = 'held';
    } catch (error) {
      // The handler's arguments are invalid, or a hook of other middleware threw. The caller gets the error, as it
      // would without us, and the next call seals the response again.
      this.#stopHolding();
      this.#phase = 'open';
      commit.catch(() => {});
      throw error;
    }
    commit.then(
      () => this.#release(),
      (error: unknown) => this.#commitFailed(error),
    );
    return result;
  }

  /**
   * Calls `writeHead` if middleware after ours has hooked it, for example to compress the body that follows. The hook
   * runs now, as it would without us, and not when the headers are sent. Hooks of earlier middleware run then, and see
   * the session's headers, except if only headers were flushed: the body that follows depends on the hooks.
   */
  #callHeaderHooks(method: Method): void {
    const res = this.#res;
    if (method === 'writeHead' || !Object.hasOwn(res, 'writeHead')) return;
    if (!this.#before.isHookedSince && method !== 'flushHeaders') return;
    this.#phase = 'sealing';
    res.writeHead(res.statusCode);
  }

  /** The commit is done: sends the held calls in order. */
  #release(): void {
    const held = this.#stopHolding();
    const { calls } = held;
    // If `end` sealed the response, nothing can have changed since.
    this.#sent(calls[0]![0] === 'end');
    let drained = true;
    try {
      for (const [index, call] of calls.entries()) {
        const result = index === 0 ? this.#first(call) : this.call(...call);
        if (call[0] === 'write') drained = result !== false;
      }
    } catch (error) {
      // Node rejects some headers only now, and there is no caller left to throw at.
      this.#session.failedLate(error, 'the response could not be sent');
      this.#res.destroy?.();
      return;
    }
    if (held.destroyAsked) this.#destroySocket(held.ended);
    else if (!held.ended && drained && calls.some(([method]) => method === 'write')) this.#res.emit('drain');
  }

  /** Destroys the socket, as an error handler requested while the response was held, but only after it was sent. */
  #destroySocket(ended: boolean): void {
    const res = this.#res;
    const { socket } = res;
    const willFinish = ended && !res.writableFinished && !res.destroyed && socket?.writable;
    if (willFinish) res.once('finish', () => socket?.destroy());
    else socket?.destroy();
  }

  /** The commit failed: drops the held calls. An error response takes their place. */
  #commitFailed(error: unknown): void {
    const res = this.#res;
    const session = this.#session;
    if (!session.isGuarded && this.#held!.status >= 500) {
      // A response that reports a failure is still true although nothing was saved, and no filter is there to replace
      // it.
      session.failedLate(error);
      return this.#release();
    }
    const { calls, ended, destroyAsked } = this.#stopHolding();
    for (const [, args] of calls) drop(args, error);
    const failed = this.#fail(true);
    if (res.destroyed || (destroyAsked && !res.socket?.writable)) {
      // The handler has given up the response, or the client has.
      if (session.isGuarded) session.failed(error);
      else session.failedLate(error);
      res.socket?.destroy();
      return;
    }
    failed.takeOver(this.#before, ended);
    this.dropHeaders();
    if (destroyAsked) this.#destroySocket(true);
    // A handler that waits to write more must go on, and end.
    if (!ended) res.once('finish', () => res.emit('drain'));
    sayWhenToRetryAfter(error, res);
    if (session.failed(error)) return;
    session.failedLate(error);
    sendFailure(res, error);
  }

  /** From here on the only response is one to a failed commit. */
  #fail(hasBegun: boolean): FailedResponse {
    this.#phase = 'failed';
    return (this.#failed = new FailedResponse(this.#res, this.#session, hasBegun));
  }

  #stopHolding(): Held {
    const held = this.#held!;
    this.#held = undefined;
    held.stop();
    return held;
  }

  /** The headers were sent, or are about to be. */
  #sent(ended: boolean): void {
    this.#phase = ended ? 'done' : 'sent';
  }

  /** Ends a response that has begun. Changes since the first byte are saved before the last byte is sent. */
  #endStream(args: unknown[], original: AnyMethod): unknown {
    const res = this.#res;
    const commit = this.#session.commit();
    if (!commit) {
      this.#phase = 'done';
      return original.apply(res, args);
    }
    // Now, while there is a caller to throw at.
    try {
      checkChunk(args[0], args[1], true);
    } catch (error) {
      commit.catch(() => {});
      throw error;
    }
    this.#phase = 'ending';
    commit.then(
      () => {
        this.#phase = 'done';
        original.apply(res, args);
      },
      (error: unknown) => {
        this.#phase = 'done';
        this.#session.failedLate(error);
        // It is too late for a status: an incomplete transfer tells the client that something failed.
        res.destroy();
      },
    );
    return res;
  }

  closed(): void {
    const { writableFinished } = this.#res;
    // The changes of a handler whose response never ended are saved all the same.
    if (this.#phase === 'sent')
      this.#session.commit()?.catch((error: unknown) => this.#session.failedLate(error));
    if (!writableFinished || this.#phase === 'held') return;
    if (this.#phase !== 'open') return this.#session.sent();
    this.#phase = 'done';
    this.#session.sentUnsealed();
  }

  /**
   * Restores the headers and the status that the response had before the handler ran. Does nothing once they were sent.
   */
  dropHeaders(): void {
    this.#before.restore();
  }

  #first(call: Call): unknown {
    return sendFirst(this.#res, call, this.#session);
  }
}
