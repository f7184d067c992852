import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { sayWhenToRetry, sendFailure } from './failure.js';
import { applyHead } from './head.js';
import { afterEnd, drop, Held, type Call } from './held.js';
import { headersSent, methodOf, putSeal, type AnyMethod, type Method, type Response } from './patch.js';

/** What a sealed response needs of the request's session. */
export interface SealedSession {
  /** Saves the changes. `undefined` if there is nothing to wait for. */
  commit(): Promise<void> | undefined;
  /**
   * A function that sets the session's headers on the response; `undefined` if there are none. Called before the first
   * byte.
   */
  takeHeaders(): ((res: ServerResponse) => void) | undefined;
  /** The commit failed before the first byte. Returns whether an error handler or filter responds to it. */
  failed(error: unknown): boolean;
  /** The response was sent without a call of its methods. Saves the changes, if there are any, and logs that. */
  sentUnsealed(): void;
  /** The response was sent. */
  sent(): void;
  /** Logs an error that no response can report any more. It is the commit's, unless `what` says otherwise. */
  failedLate(error: unknown, what?: string): void;
  /**
   * Whether an exception filter will respond to a failed commit, so that the handler's further writes must be dropped.
   */
  readonly guarded: boolean;
  /** The error of a failed commit. */
  readonly failure: { error: unknown } | undefined;
  /** The seal of the response. `undefined` until it has one. */
  seal: { readonly holds: boolean } | undefined;
}

// Shared by all copies of this package: the middleware of one finds the session of another.
const WORK = Symbol.for('nestjs-session-stores/work/1');

/** A request's session work, and the seal on its response. */
interface Kept {
  session: SealedSession;
  seal: Seal | undefined;
}

/** An object that keeps the session work of a request. */
interface Keeper {
  [WORK]?: Kept;
}

/** A request with the state of its stream, which its types leave out. An imitation of a request may have none. */
type Streamed = Keeper & { _readableState?: Keeper };

function keptFor(req: object | undefined): Kept | undefined {
  const streamed = req as Streamed | undefined;
  return (streamed?._readableState ?? streamed)?.[WORK];
}

/** The session work of a request; `undefined` if there is none. */
export function keptWork(req: object | undefined): SealedSession | undefined {
  return keptFor(req)?.session;
}

/**
 * Keeps the session work of a request in the state of its stream. A property on the request itself costs 2.6 µs once
 * Express has changed its prototype, because V8 then makes a new shape for each object; here it costs nothing.
 */
export function keepWork(req: object, session: SealedSession): void {
  const streamed = req as Streamed;
  (streamed._readableState ?? streamed)[WORK] = { session, seal: undefined };
}

/**
 * Holds `res` until the session is committed. The first `writeHead`, `write`, `end` or `flushHeaders` seals the
 * response and starts the commit. Calls after it wait in order. Nothing is sent before the changes are stored.
 */
export function sealResponse(req: object, res: ServerResponse, session: SealedSession): void {
  const seal = new Seal(res, session);
  putSeal(res, seal);
  // Not a function that returns it: a closure for each request doubled the time of minor garbage collections.
  session.seal = seal;
  keptFor(req)!.seal = seal;
}

/**
 * Drops the headers that were set since the session was loaded: an error response must not carry the handler's headers.
 */
export function dropHeaders(req: object): void {
  keptFor(req)?.seal?.dropHeaders();
}

/**
 * `open`: nothing was sent. `sealing`: the `writeHead` hooks of other middleware run. `held`: sealed, and a commit is
 * in flight. `sent`: the headers were sent. `ending`: everything but the `end` was sent, and a commit is in flight.
 * `failed`: a commit failed, and an error response may be sent. `failing`: a call of that response is passed on. `done`:
 * every call is passed on.
 */
type Phase = 'open' | 'sealing' | 'held' | 'sent' | 'ending' | 'failed' | 'failing' | 'done';

const METHODS = ['writeHead', 'write', 'end', 'flushHeaders'] as const;

/** Holds the calls of one response until its session is committed. */
export class Seal {
  readonly res: Response;
  readonly #session: SealedSession;
  /** The headers that were set before the handler ran. */
  readonly #headers: OutgoingHttpHeaders;
  /** The response's `writeHead` before the handler ran. It differs later if other middleware has hooked it. */
  readonly #writeHead: Response['writeHead'];
  /** Whether earlier middleware has hooked it. */
  readonly #isHooked: boolean;
  /** Whether an error response takes the place of one that the handler had begun. */
  #isUsurped = true;
  /** Whether the handler had not ended its response when the commit failed. */
  #mayStillRespond = false;
  #phase: Phase = 'open';
  #held: Held | undefined;

  constructor(res: Response, session: SealedSession) {
    this.res = res;
    this.#session = session;
    this.#headers = res.getHeaders();
    this.#writeHead = res.writeHead;
    this.#isHooked = Object.hasOwn(res, 'writeHead');
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
        return original.apply(this.res, args);
      case 'ending':
        if (method === 'writeHead') throw headersSent('write');
        return this.#dropLate(method, args);
      case 'failed':
        // The error response has methods of its own if the handler had begun one.
        return this.#isUsurped ? this.#dropLate(method, args) : this.#sendFailure([method, args, original]);
      case 'failing':
      case 'done':
        return original.apply(this.res, args);
    }
  }

  #seal(call: Call): unknown {
    const [method, args, original] = call;
    const commit = this.#session.commit();
    if (!commit && this.#session.failure) {
      // The handler has not begun a response, so this is the error response.
      this.#phase = 'failed';
      this.#isUsurped = false;
      return this.#sendFailure(call);
    }
    if (!commit) {
      this.#sent(method === 'end');
      return this.#first(call);
    }
    let result: unknown;
    try {
      this.#held = new Held(this.res);
      this.#callHeaderHooks(method);
      result = this.#held.take(method, args, original);
      this.#phase = 'held';
    } catch (error) {
      // The handler's arguments are invalid, or a hook of other middleware threw. The caller gets the error as without
      // us, and the next call seals the response again.
      this.#stopHolding();
      this.#phase = 'open';
      commit.catch(() => {});
      throw error;
    }
    commit.then(
      () => this.#release(),
      (error: unknown) => this.#fail(error),
    );
    return result;
  }

  /**
   * Calls `writeHead` if middleware after ours has hooked it, for example to compress the body that follows. The hook
   * runs now, as it would without us, and not when the headers are sent. Hooks of earlier middleware run then, and see
   * the session's headers, except if only headers were flushed: the body that follows depends on the hooks.
   */
  #callHeaderHooks(method: Method): void {
    const { res } = this;
    if (method === 'writeHead' || !Object.hasOwn(res, 'writeHead')) return;
    if (res.writeHead === this.#writeHead && method !== 'flushHeaders') return;
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
      this.res.destroy?.();
      return;
    }
    if (held.destroyAsked) this.#destroySocket(held.ended);
    else if (!held.ended && drained && calls.some(([method]) => method === 'write')) this.res.emit('drain');
  }

  /** Destroys the socket, as an error handler requested while the response was held, but only after it was sent. */
  #destroySocket(ended: boolean): void {
    const { res } = this;
    const { socket } = res;
    const willFinish = ended && !res.writableFinished && !res.destroyed && socket?.writable;
    if (willFinish) res.once('finish', () => socket?.destroy());
    else socket?.destroy();
  }

  /** The commit failed: drops the held calls. An error response takes their place. */
  #fail(error: unknown): void {
    if (!this.#session.guarded && this.#held!.status >= 500) {
      // A response that reports a failure is true although nothing was saved, and no filter is there to replace it.
      this.#session.failedLate(error);
      return this.#release();
    }
    const { res } = this;
    const { calls, ended, destroyAsked } = this.#stopHolding();
    for (const [, args] of calls) drop(args, error);
    if (res.destroyed || (destroyAsked && !res.socket?.writable)) {
      // The handler has given up the response, or the client has.
      this.#phase = 'failed';
      if (this.#session.guarded) this.#session.failed(error);
      else this.#session.failedLate(error);
      res.socket?.destroy();
      return;
    }
    this.#takeFailure(ended);
    this.dropHeaders();
    if (destroyAsked) this.#destroySocket(true);
    // A handler that waits to write more must go on, and end.
    if (!ended) res.once('finish', () => res.emit('drain'));
    sayWhenToRetry(res, error);
    if (this.#session.failed(error)) return;
    this.#session.failedLate(error);
    sendFailure(res, error);
  }

  /** From here on an error response replaces the handler's. */
  #takeFailure(ended: boolean): void {
    const { res } = this;
    this.#mayStillRespond = !ended;
    this.#phase = 'failed';
    // Middleware that has begun to compress the handler's response must not compress this one. What it still sends
    // reaches the class's methods, and is dropped.
    for (const method of METHODS) {
      // Header hooks of earlier middleware are for this response, too.
      const original =
        method === 'writeHead' && this.#isHooked ? (this.#writeHead as AnyMethod) : methodOf(res, method);
      res[method] = ((...args: unknown[]) => this.#sendFailure([method, args, original])) as never;
    }
    // A stream that is piped into the response is unpiped when the error response ends, and nothing else would close
    // it.
    res.on('unpipe', (source: Readable) => source.destroy());
  }

  #stopHolding(): Held {
    const held = this.#held!;
    this.#held = undefined;
    held.stop();
    return held;
  }

  /**
   * Sends a call of the error response, with the cookie of a new token if there is one. Drops the handler's late calls.
   */
  #sendFailure(call: Call): unknown {
    const { res } = this;
    const [method, args, original] = call;
    // Node's methods call each other.
    if (this.#phase === 'failing') return original.apply(res, args);
    if (this.#session.guarded || res.writableEnded) return this.#dropLate(method, args);
    if (this.#mayStillRespond && !res.headersSent && res.statusCode === 200) {
      // The handler has not ended its response, and this may be the rest of it: a failure must not look like success.
      sendFailure(res, this.#session.failure?.error);
      return this.#dropLate(method, args);
    }
    this.#phase = 'failing';
    try {
      return res.headersSent ? original.apply(res, args) : this.#first(call);
    } finally {
      this.#phase = 'failed';
    }
  }

  /** Drops a call that comes too late, as Node does after the end. */
  #dropLate(method: Method, args: unknown[]): unknown {
    drop(args, afterEnd());
    return method === 'write' ? true : this.res;
  }

  /** The headers were sent, or are about to be. */
  #sent(ended: boolean): void {
    this.#phase = ended ? 'done' : 'sent';
    if (ended) return;
    this.res.on('close', () => {
      // The connection is closed. The changes of a handler whose response never ended are saved all the same.
      if (this.#phase === 'sent')
        this.#session.commit()?.catch((error: unknown) => this.#session.failedLate(error));
    });
  }

  /** Ends a response that has begun. Changes since the first byte are saved before the last byte is sent. */
  #endStream(args: unknown[], original: AnyMethod): unknown {
    const { res } = this;
    const commit = this.#session.commit();
    if (!commit) {
      this.#phase = 'done';
      return original.apply(res, args);
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
    const { writableFinished } = this.res;
    if (!writableFinished || this.#phase === 'held') return;
    if (this.#phase !== 'open') return this.#session.sent();
    this.#phase = 'done';
    this.#session.sentUnsealed();
  }

  /**
   * Restores the headers and the status that the response had before the handler ran. Does nothing once they were sent.
   */
  dropHeaders(): void {
    const res = this.res;
    if (res.headersSent) return;
    for (const name of res.getHeaderNames()) {
      if (!(name in this.#headers)) res.removeHeader(name);
    }
    for (const [name, value] of Object.entries(this.#headers)) {
      if (res.getHeader(name) !== value) res.setHeader(name, value as string | string[]);
    }
    res.statusCode = 200;
    if (Object.hasOwn(res, 'statusMessage')) res.statusMessage = undefined as unknown as string;
  }

  /** Sends the first call, with the session's headers. */
  #first([method, args, original]: Call): unknown {
    const put = this.#session.takeHeaders();
    if (!put) return original.apply(this.res, args);
    // After the headers of `writeHead`, which would otherwise replace them.
    const left = method === 'writeHead' ? applyHead(this.res, args) : args;
    put(this.res);
    return original.apply(this.res, left);
  }
}
