import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { applyHead, headersSent } from './head.js';
import { anyHeld, drop, Held, setFinished, type AnyMethod, type Method, type Response } from './held.js';
import { Overlay } from './overlay.js';

/** What a sealed response asks of the request's session. */
export interface SealedSession {
  /** Saves what changed; `undefined` when there is nothing to wait for. */
  commit(): Promise<void> | undefined;
  /** What puts the headers on the response that the answer owes; `undefined` for none. Asked before the first byte. */
  takeHeaders(): ((res: ServerResponse) => void) | undefined;
  /** The commit failed before the first byte: answers the error, or leaves that to others. */
  failed(error: unknown): void;
  /** Something failed when only the log can tell, the commit unless `what` says otherwise. */
  failedLate(error: unknown, what?: string): void;
  /** Whether somebody else will answer a failed commit, so that what the handler still writes must be dropped. */
  readonly guarded: boolean;
  /** Why a commit failed, once one has. */
  readonly failure: { error: unknown } | undefined;
  /** Asks whether the response is held; set when it is sealed. */
  isHeld: (() => boolean) | undefined;
}

const WORK = Symbol('session');

/** A request's session work, and the seal on its response. */
interface Kept {
  session: SealedSession;
  seal: Seal | undefined;
}

/** An object that keeps the session work of a request. */
interface Keeper {
  [WORK]?: Kept;
}

/** A request with the state of its stream, which its types leave out. Imitations of requests may have none. */
type Streamed = Keeper & { _readableState?: Keeper };

function keptFor(req: object | undefined): Kept | undefined {
  const streamed = req as Streamed | undefined;
  return (streamed?._readableState ?? streamed)?.[WORK];
}

/** The session work that was kept for a request; `undefined` if there is none. */
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

function sealOf(res: Response): Seal | undefined {
  return keptFor(res.req)?.seal;
}

function isHeld(res: Response): boolean {
  return anyHeld() && sealOf(res)?.holds === true;
}

/**
 * Holds `res` back until the session is committed: the first `writeHead`, `write`, `end` or `flushHeaders` seals it,
 * what follows waits in order, and nothing leaves before what it tells is stored.
 */
export function sealResponse(res: ServerResponse, session: SealedSession): void {
  const wasThere = OVERLAY.put(res);
  const seal = new Seal(res, session, !wasThere);
  session.isHeld = () => seal.holds;
  keptFor(res.req)!.seal = seal;
}

/** Drops what was set on a response since its session was loaded: an error answer must not carry the handler's headers. */
export function dropHeaders(res: ServerResponse): void {
  sealOf(res)?.dropHeaders();
}

/** What a sealed response does otherwise than others; those without a seal do as ever. */
const OVERLAY = new Overlay((below) => {
  const originals = below as Record<string, AnyMethod>;
  const members: PropertyDescriptorMap = {};
  const layer = (name: string, value: AnyMethod): void => {
    if (typeof originals[name] === 'function') members[name] = { value, writable: true, configurable: true };
  };
  for (const method of METHODS) {
    const original = originals[method]!;
    layer(method, function (this: Response, ...args: unknown[]): unknown {
      const seal = sealOf(this);
      return seal ? seal.inner(method, args, originals) : original.apply(this, args);
    });
  }
  for (const [name, verb] of HEADER_METHODS) {
    const original = originals[name]!;
    layer(name, function (this: Response, header: unknown, value: unknown): unknown {
      if (isHeld(this)) throw headersSent(verb);
      return original.call(this, header, value);
    });
  }
  const implicit = originals['_implicitHeader']!;
  layer('_implicitHeader', function (this: Response): unknown {
    // Compression calls it when it sees no header yet; the header that is held will do.
    return isHeld(this) ? undefined : implicit.call(this);
  });
  members['headersSent'] = {
    configurable: true,
    get(this: Response): boolean {
      return isHeld(this) || (Reflect.get(below, 'headersSent', this) as boolean);
    },
  };
  return members;
});

const METHODS = ['writeHead', 'write', 'end', 'flushHeaders'] as const;
const HEADER_METHODS = [
  ['setHeader', 'set'],
  ['setHeaders', 'set'],
  ['appendHeader', 'append'],
  ['removeHeader', 'remove'],
] as const;

/**
 * `open`: nothing was sent. `sealing`: others are told that headers go out. `held`: sealed, a commit is in flight.
 * `sent`: the headers are out. `ending`: all but the last call is out, a commit is in flight. `failed`: a commit failed,
 * an error answer may go out. `done`: nothing is looked at any more.
 */
type Phase = 'open' | 'sealing' | 'held' | 'sent' | 'ending' | 'failed' | 'done';

export class Seal {
  readonly res: Response;
  readonly #session: SealedSession;
  /** The headers that were there before the handler ran. */
  readonly #headers: OutgoingHttpHeaders;
  /**
   * What middleware before ours put on the response itself before our members lay under it, so that it does not call
   * them: called in their place.
   */
  #own: Partial<Record<Method, AnyMethod>> | undefined;
  /** The class's own methods, once one of them was called. */
  #originals: Record<string, AnyMethod> | undefined;
  #phase: Phase = 'open';
  #held: Held | undefined;

  constructor(res: Response, session: SealedSession, takeOwn: boolean) {
    this.res = res;
    this.#session = session;
    this.#headers = res.getHeaders();
    if (takeOwn) for (const method of METHODS) if (Object.hasOwn(res, method)) this.#takeOwn(method);
  }

  #takeOwn(method: Method): void {
    const { res } = this;
    (this.#own ??= {})[method] = res[method] as AnyMethod;
    res[method] = ((...args: unknown[]) => this.call(method, args)) as never;
  }

  /** A call that reached the class's method, past whatever lies on the response itself. */
  inner(method: Method, args: unknown[], originals: Record<string, AnyMethod>): unknown {
    if (this.#own?.[method]) return originals[method]!.apply(this.res, args);
    this.#originals = originals;
    return this.call(method, args);
  }

  /** Whether the response looks sent although it is held. */
  get holds(): boolean {
    return this.#phase === 'held';
  }

  /** A handler's call: held, or passed on when there is nothing to wait for. */
  call(method: Method, args: unknown[]): unknown {
    switch (this.#phase) {
      case 'open':
        return this.#seal(method, args);
      case 'sealing':
      case 'held':
        return this.#held!.take(method, args);
      case 'sent':
        return method === 'end' ? this.#endStream(args) : this.#pass(method, args);
      case 'ending':
        if (method === 'writeHead') throw headersSent('write');
        return this.#refuse(method, args);
      case 'failed':
        return this.#answerFailure(method, args);
      case 'done':
        return this.#pass(method, args);
    }
  }

  #seal(method: Method, args: unknown[]): unknown {
    const commit = this.#session.commit();
    if (!commit && this.#session.failure) {
      this.#takeFailure();
      return this.#answerFailure(method, args);
    }
    if (!commit) {
      this.#sent(method === 'end');
      return this.#first(method, args);
    }
    let result: unknown;
    try {
      // Middleware that has put its own `write` there may have its own `drain` too, which is not ours to emit.
      this.#held = new Held(this.res, this.#own?.write !== undefined);
      if (method !== 'writeHead') this.#callHeaderHooks();
      result = this.#held.take(method, args);
      this.#phase = 'held';
    } catch (error) {
      // What the handler passed, or a hook of others, is refused as without us, and what answers that is sealed anew.
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
   * Middleware after ours may wait for the headers at `writeHead`, to compress what comes after them, say. It is told now,
   * as without us, and not when they are sent.
   */
  #callHeaderHooks(): void {
    if (this.#own || !Object.hasOwn(this.res, 'writeHead')) return;
    this.#phase = 'sealing';
    this.res.writeHead(this.res.statusCode);
  }

  /** The commit is done: sends what was held, in order. */
  #release(): void {
    const held = this.#stopHolding();
    const { calls } = held;
    // What sealed the response was its end: nothing can have changed since.
    this.#sent(calls[0]![0] === 'end');
    let drained = true;
    try {
      for (const [index, [method, args]] of calls.entries()) {
        const result = index === 0 ? this.#first(method, args) : this.call(method, args);
        if (method === 'write') drained = result !== false;
      }
    } catch (error) {
      // A header that Node refuses shows only now: there is no caller left to throw at.
      this.#session.failedLate(error, 'the answer could not be sent');
      this.res.destroy();
      return;
    }
    if (held.destroyAsked) this.#destroySocket(held.ended);
    else if (!held.ended && drained && calls.some(([method]) => method === 'write')) this.res.emit('drain');
  }

  /** Does what an error handler asked for while the answer was held, but not before that is out. */
  #destroySocket(ended: boolean): void {
    const { socket } = this.res;
    if (ended && !this.res.writableFinished) this.res.once('finish', () => socket?.destroy());
    else socket?.destroy();
  }

  /** The commit failed: what was held is dropped, and an error answer takes its place. */
  #fail(error: unknown): void {
    if (!this.#session.guarded && this.#held!.status >= 500) {
      // An answer that tells of a failure is true although nothing was saved; whoever made it has no other.
      this.#session.failedLate(error);
      return this.#release();
    }
    const { calls } = this.#stopHolding();
    this.#takeFailure();
    this.dropHeaders();
    for (const [, args] of calls) drop(args, error);
    this.#session.failed(error);
  }

  /** From here on an error answer goes out in the place of the handler's. */
  #takeFailure(): void {
    this.#phase = 'failed';
    // Middleware that has begun to compress the handler's answer must not go on with this one.
    this.#own = undefined;
    for (const method of METHODS)
      if (Object.hasOwn(this.res, method)) delete (this.res as Partial<Response>)[method];
    // What pipes into the response stops when that has ended otherwise, and nobody else would close it.
    this.res.on('unpipe', (source: Readable) => source.destroy());
  }

  #stopHolding(): Held {
    const held = this.#held!;
    this.#held = undefined;
    held.stop();
    return held;
  }

  /** The error answer, with the cookie of a token that was made valid; what the handler still sends is dropped. */
  #answerFailure(method: Method, args: unknown[]): unknown {
    const res = this.res;
    if (this.#session.guarded || res.writableEnded) return this.#refuse(method, args);
    return res.headersSent ? this.#pass(method, args) : this.#first(method, args);
  }

  /** Drops a call that comes too late, as Node does after the end. */
  #refuse(method: Method, args: unknown[]): unknown {
    drop(args, new Error(`${method} came after the answer had ended`));
    return method === 'write' ? false : this.res;
  }

  /** The headers are out, or about to be. */
  #sent(ended: boolean): void {
    this.#phase = ended ? 'done' : 'sent';
    if (ended) return;
    this.res.on('close', () => {
      // The connection is gone. What a stream changed and never ended is saved all the same.
      if (this.#phase === 'sent')
        this.#session.commit()?.catch((error: unknown) => this.#session.failedLate(error));
    });
  }

  /** The end of a response that has begun: what changed since the first byte is saved before the last. */
  #endStream(args: unknown[]): unknown {
    const res = this.res;
    const commit = this.#session.commit();
    if (!commit) {
      this.#phase = 'done';
      return this.#pass('end', args);
    }
    this.#phase = 'ending';
    setFinished(res, true);
    commit.then(
      () => {
        setFinished(res, false);
        this.#phase = 'done';
        this.#pass('end', args);
      },
      (error: unknown) => {
        setFinished(res, false);
        this.#phase = 'done';
        this.#session.failedLate(error);
        // A transfer that breaks off tells the client what no status can any more.
        res.destroy();
      },
    );
    return res;
  }

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

  /** Sends the first call, with the headers that the answer owes. */
  #first(method: Method, args: unknown[]): unknown {
    const put = this.#session.takeHeaders();
    if (!put) return this.#pass(method, args);
    // After the headers of `writeHead`, which would otherwise replace them.
    const left = method === 'writeHead' ? applyHead(this.res, args) : args;
    put(this.res);
    return this.#pass(method, left);
  }

  #pass(method: Method, args: unknown[]): unknown {
    return (this.#own?.[method] ?? this.#originals![method]!).apply(this.res, args);
  }
}
