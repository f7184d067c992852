import {
  validateHeaderName,
  validateHeaderValue,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
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
  /** Kept here for the response. */
  seal: Seal | undefined;
}

const WORK = Symbol('session');

/** An object that keeps the session's work of a request. */
interface WorkHolder {
  [WORK]?: SealedSession;
}

/** A request with the state of its stream, which its types leave out; imitations of requests may have none. */
type Streamed = WorkHolder & { _readableState?: WorkHolder };

/** The session's work of a request, the response's with it; `undefined` where there is none. */
export function workOf(req: object | undefined): SealedSession | undefined {
  const streamed = req as Streamed | undefined;
  return (streamed?._readableState ?? streamed)?.[WORK];
}

/**
 * Keeps the session's work of a request in the state of its stream: a property on the request itself costs 2.6 µs
 * once Express has changed its prototype, because V8 then makes a new shape for each object; here it costs nothing.
 */
export function keepWork(req: object, work: SealedSession): void {
  const streamed = req as Streamed;
  (streamed._readableState ?? streamed)[WORK] = work;
}

type Method = 'writeHead' | 'write' | 'end' | 'flushHeaders';

/** Node's response, with the parts that its types leave out. */
type Response = ServerResponse & { _implicitHeader?: () => void };
type AnyMethod = (this: Response, ...args: unknown[]) => unknown;

function sealOf(res: Response): Seal | undefined {
  return workOf(res.req)?.seal;
}

/** How many responses are held: while none is, no header method looks for its own. */
let heldNow = 0;

function isHeld(res: Response): boolean {
  return heldNow > 0 && sealOf(res)?.holds === true;
}

/** Where a socket keeps the response that is held on it. */
const HELD = Symbol('held');
type HoldingSocket = Socket & { [HELD]?: Held | undefined };

/**
 * Holds `res` back until the session is committed: the first `writeHead`, `write`, `end` or `flushHeaders` seals it,
 * what follows waits in order, and nothing leaves before what it tells is stored.
 */
export function sealResponse(res: ServerResponse, session: SealedSession): void {
  const wasThere = OVERLAY.put(res);
  session.seal = new Seal(res, session, !wasThere);
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

/**
 * A response that looks sent while it is not: what is seen as unsent is answered twice, by frameworks as by handlers.
 * The status is that of the moment it was sealed.
 */
class Held {
  readonly calls: [method: Method, args: unknown[]][] = [];
  ended = false;
  /** Error handlers that see an answer on its way destroy its socket, which would cut off what is held. */
  destroyAsked = false;
  readonly #res: Response;
  readonly #socket: HoldingSocket | null;
  readonly #statusCode: number;
  readonly #statusMessage: string | undefined;

  constructor(
    res: Response,
    private readonly takesMore: boolean,
  ) {
    this.#res = res;
    this.#statusCode = res.statusCode;
    // HTTP/2 has none, and warns of who asks.
    this.#statusMessage = Object.hasOwn(res, 'statusMessage') ? res.statusMessage : undefined;
    this.#socket = res.socket;
    if (this.#socket) {
      deferDestroy(this.#socket);
      this.#socket[HELD] = this;
    }
    heldNow++;
  }

  /** The status of the answer, whatever was assigned after it was sealed. */
  get status(): number {
    const [method, args] = this.calls[0]!;
    return method === 'writeHead' ? (args[0] as number) : this.#statusCode;
  }

  take(method: Method, args: unknown[]): unknown {
    const res = this.#res;
    if (this.calls.length === 0 && method !== 'writeHead') checkHead([res.statusCode]);
    switch (method) {
      case 'flushHeaders':
        if (this.calls.length === 0) this.calls.push([method, args]);
        return undefined;
      case 'writeHead':
        if (this.calls.length > 0) throw headersSent('write');
        checkHead(args);
        res.statusCode = args[0] as number;
        this.calls.push([method, args]);
        return res;
      case 'write':
        checkChunk(args[0], false);
        // As Node would: what comes after the end is not sent.
        if (this.ended) drop(args, new Error('write came after the answer had ended'));
        else this.calls.push([method, args]);
        return this.takesMore;
      case 'end':
        if (this.ended) return res;
        checkChunk(args[0], true);
        this.calls.push([method, args]);
        this.ended = true;
        setFinished(res, true);
        return res;
    }
  }

  /** Lets the response look as it is again. */
  stop(): void {
    heldNow--;
    const res = this.#res;
    if (this.ended) setFinished(res, false);
    res.statusCode = this.#statusCode;
    if (this.#statusMessage !== undefined) res.statusMessage = this.#statusMessage;
    if (this.#socket) this.#socket[HELD] = undefined;
  }
}

/** Makes `destroy` wait while a response is held on this socket; an error still ends it at once. */
function deferDestroy(socket: HoldingSocket): void {
  if (HELD in socket) return;
  const { destroy } = socket;
  socket.destroy = function (this: HoldingSocket, error?: Error): Socket {
    const held = this[HELD];
    if (!held || error) return destroy.call(this, error);
    held.destroyAsked = true;
    return this;
  };
}

/** Lets the response say that it has ended, or what is true again. */
function setFinished(res: Response, finished: boolean): void {
  // In HTTP/1 a property, which `writableEnded` reads; in HTTP/2 both are getters of the class.
  const ofHttp2 = 'stream' in res;
  for (const name of ofHttp2 ? ['finished', 'writableEnded'] : ['finished']) {
    if (ofHttp2 && !finished) Reflect.deleteProperty(res, name);
    else
      Object.defineProperty(res, name, {
        value: finished,
        writable: true,
        enumerable: true,
        configurable: true,
      });
  }
}

/** Tells the callback of a call that is not made, if it has one. */
function drop(args: unknown[], error: unknown): void {
  const callback = args.findLast((arg) => typeof arg === 'function');
  if (callback) process.nextTick(callback as (error: unknown) => void, error);
}

/** Checks the arguments of a `writeHead` that is applied later, so that its caller sees what is wrong. */
function checkHead(args: unknown[]): void {
  const status = Number(args[0]);
  if (!(status >= 100 && status <= 999)) {
    throw Object.assign(new RangeError(`Invalid status code: ${String(args[0])}`), {
      code: 'ERR_HTTP_INVALID_STATUS_CODE',
    });
  }
  for (const [name, value] of headersOf(args)) {
    validateHeaderName(name);
    for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one as string);
  }
}

/** Refuses what Node refuses to write, while there is a caller to tell. */
function checkChunk(chunk: unknown, isEnd: boolean): void {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return;
  if (isEnd && (chunk === undefined || chunk === null || typeof chunk === 'function')) return;
  throw Object.assign(
    new TypeError(`a chunk must be a string, a Buffer or a Uint8Array, not ${typeof chunk}`),
    {
      code: 'ERR_INVALID_ARG_TYPE',
    },
  );
}

/** Sets the headers of a `writeHead` on the response, as Node would; returns the arguments that are left. */
function applyHead(res: ServerResponse, args: unknown[]): unknown[] {
  const headers = headersOf(args);
  for (const [name] of headers) res.removeHeader(name);
  for (const [name, value] of headers) {
    if (value !== undefined) {
      res.appendHeader(name, (typeof value === 'number' ? String(value) : value) as string | string[]);
    }
  }
  return typeof args[1] === 'string' ? [args[0], args[1]] : [args[0]];
}

/** The headers of a `writeHead` in any of the forms that Node takes: an object, a flat array, an array of pairs. */
function headersOf(args: unknown[]): [string, unknown][] {
  const headers = typeof args[1] === 'string' ? args[2] : (args[1] ?? args[2]);
  if (headers === undefined || headers === null) return [];
  if (!Array.isArray(headers)) return Object.entries(headers as object).filter(([name]) => name !== '');
  if (Array.isArray(headers[0])) return headers as [string, unknown][];
  const pairs: [string, unknown][] = [];
  for (let at = 0; at < headers.length; at += 2) pairs.push([String(headers[at]), headers[at + 1]]);
  return pairs;
}

function headersSent(verb: string): Error {
  return Object.assign(new Error(`Cannot ${verb} headers after they are sent to the client`), {
    code: 'ERR_HTTP_HEADERS_SENT',
  });
}
