import {
  validateHeaderName,
  validateHeaderValue,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { Readable } from 'node:stream';

/** What a sealed response asks of the request's session. */
export interface SealedSession {
  /** Saves what changed; `undefined` when there is nothing to wait for. */
  commit(): Promise<void> | undefined;
  /** The `Set-Cookie` value that the answer owes; asked once, before the first byte. */
  takeCookie(): string | undefined;
  /** The commit failed before the first byte: answers the error, through `res`, or leaves that to others. */
  failed(error: unknown): void;
  /** Whether somebody else will answer a failed commit, so that what the handler still writes must be dropped. */
  readonly guarded: boolean;
  /** The commit failed after the first byte, when only the log can tell. */
  failedLate(error: unknown): void;
}

type Method = 'writeHead' | 'write' | 'end' | 'flushHeaders';
type Call = [method: Method, args: unknown[]];

/** Node's response, with the parts that its types leave out. */
type Response = ServerResponse & { [SEAL]?: Seal; _implicitHeader?: () => void };

const SEAL = Symbol.for('nestjs-session-stores.seal');

/**
 * Holds `res` back until the session is committed: the first `writeHead`, `write`, `end` or `flushHeaders` seals it,
 * what follows waits in order, and nothing leaves before what it tells is stored.
 */
export function sealResponse(res: ServerResponse, session: SealedSession): void {
  (res as Response)[SEAL] = new Seal(res, session);
}

/** Drops what was set on a response since its session was loaded: an error answer must not carry the handler's headers. */
export function dropHeaders(res: ServerResponse): void {
  (res as Response)[SEAL]?.dropHeaders();
}

// One set of functions for all responses, so that taking one over allocates no closures.
function writeHead(this: Response, ...args: unknown[]): unknown {
  return this[SEAL]!.call('writeHead', args);
}
function write(this: Response, ...args: unknown[]): unknown {
  return this[SEAL]!.call('write', args);
}
function end(this: Response, ...args: unknown[]): unknown {
  return this[SEAL]!.call('end', args);
}
function flushHeaders(this: Response): unknown {
  return this[SEAL]!.call('flushHeaders', []);
}
function piped(this: Response, source: Readable): void {
  this[SEAL]!.sources.push(source);
}
function closed(this: Response): void {
  this[SEAL]!.closed();
}

/**
 * `open`: nothing was sent; `held`: sealed, and a commit is in flight; `sent`: the headers are out;
 * `failed`: the commit failed and an error answer may go out; `done`: nothing is looked at any more.
 */
type Phase = 'open' | 'held' | 'sent' | 'failed' | 'done';

class Seal {
  /** What pipes into the response: it must stop when the answer becomes another one. */
  readonly sources: Readable[] = [];
  readonly #res: Response;
  readonly #session: SealedSession;
  readonly #originals: Record<Method, (...args: never[]) => unknown>;
  /** The headers that were there before the handler ran. */
  readonly #headers: OutgoingHttpHeaders;
  #phase: Phase = 'open';
  #calls: Call[] = [];
  #ended = false;

  constructor(res: ServerResponse, session: SealedSession) {
    this.#res = res as Response;
    this.#session = session;
    this.#headers = res.getHeaders();
    this.#originals = {
      writeHead: res.writeHead,
      write: res.write,
      end: res.end,
      flushHeaders: res.flushHeaders,
    };
    res.writeHead = writeHead as never;
    res.write = write as never;
    res.end = end as never;
    res.flushHeaders = flushHeaders as never;
    res.on('pipe', piped);
    res.on('close', closed);
  }

  /** A handler's call: held, or passed on when there is nothing to wait for. */
  call(method: Method, args: unknown[]): unknown {
    switch (this.#phase) {
      case 'open':
        return this.#seal(method, args);
      case 'held':
        return this.#hold(method, args);
      case 'sent':
        return method === 'end' ? this.#endStream(args) : this.#pass(method, args);
      case 'failed':
        return this.#answerFailure(method, args);
      case 'done':
        return this.#pass(method, args);
    }
  }

  #seal(method: Method, args: unknown[]): unknown {
    const commit = this.#session.commit();
    if (!commit) {
      this.#phase = method === 'end' ? 'done' : 'sent';
      return this.#first(method, args);
    }
    this.#phase = 'held';
    this.#pretendSent();
    const result = this.#hold(method, args);
    commit.then(
      () => this.#release(),
      (error: unknown) => this.#fail(error),
    );
    return result;
  }

  #hold(method: Method, args: unknown[]): unknown {
    const res = this.#res;
    if (method === 'flushHeaders') {
      if (this.#calls.length === 0) this.#calls.push([method, args]);
      return undefined;
    }
    if (method === 'writeHead') {
      if (this.#calls.length > 0 || this.#ended) throw headersSent('write');
      checkHead(args);
      res.statusCode = args[0] as number;
      this.#calls.push([method, args]);
      return res;
    }
    // As Node would: what comes after the end is not sent.
    if (this.#ended) return method === 'end' ? res : false;
    this.#calls.push([method, args]);
    if (method === 'write') return false;
    this.#ended = true;
    override(res, 'writableEnded', true);
    override(res, 'finished', true);
    return res;
  }

  /** The commit is done: sends what was held, in order. */
  #release(): void {
    const res = this.#res;
    const status = this.#status;
    const destroy = this.#stopPretending();
    res.statusCode = status.code;
    if (status.message !== undefined) res.statusMessage = status.message;
    this.#phase = this.#ended ? 'done' : 'sent';

    let drained = true;
    const calls = this.#calls;
    this.#calls = [];
    let waiting = false;
    try {
      calls.forEach(([method, args], index) => {
        const result = index === 0 ? this.#first(method, args) : this.#pass(method, args);
        if (method === 'write') {
          waiting = true;
          drained = result !== false;
        }
      });
    } catch (error) {
      // A header that Node refuses shows only now: there is no caller left to throw at.
      this.#session.failedLate(error);
      res.destroy(error as Error);
      return;
    }
    if (destroy) destroy();
    else if (waiting && drained && !this.#ended) res.emit('drain');
  }

  #fail(error: unknown): void {
    this.#stopPretending();
    const calls = this.#calls;
    this.#calls = [];
    this.#ended = false;
    this.#phase = 'failed';
    this.dropHeaders();
    for (const source of this.sources.splice(0)) {
      source.unpipe(this.#res);
      source.destroy();
    }
    for (const [, args] of calls) {
      const callback = args.findLast((arg) => typeof arg === 'function');
      if (callback) process.nextTick(callback as (error: unknown) => void, error);
    }
    this.#session.failed(error);
  }

  /** The error answer, without the handler's headers; what the handler itself still sends is dropped. */
  #answerFailure(method: Method, args: unknown[]): unknown {
    const res = this.#res;
    if (this.#session.guarded || res.writableEnded) return method === 'write' ? false : res;
    if (res.headersSent) return this.#pass(method, args);
    return this.#first(method, args);
  }

  /** The end of a response that has begun: what changed since the first byte is saved before the last. */
  #endStream(args: unknown[]): unknown {
    const res = this.#res;
    const commit = this.#session.commit();
    this.#phase = 'done';
    if (!commit) return this.#pass('end', args);
    this.#ended = true;
    this.#phase = 'held';
    override(res, 'writableEnded', true);
    override(res, 'finished', true);
    commit.then(
      () => {
        restore(res);
        this.#phase = 'done';
        this.#pass('end', args);
      },
      (error: unknown) => {
        restore(res);
        this.#phase = 'done';
        this.#session.failedLate(error);
        // A transfer that breaks off tells the client what no status can any more.
        res.destroy();
      },
    );
    return res;
  }

  /** The connection is gone. What a stream changed and never ended is saved all the same. */
  closed(): void {
    if (this.#phase !== 'sent') return;
    this.#phase = 'done';
    this.#session.commit()?.catch((error: unknown) => this.#session.failedLate(error));
  }

  dropHeaders(): void {
    const res = this.#res;
    if (res.headersSent) return;
    for (const name of res.getHeaderNames()) {
      if (!(name in this.#headers)) res.removeHeader(name);
    }
    for (const [name, value] of Object.entries(this.#headers)) {
      if (res.getHeader(name) !== value) res.setHeader(name, value as string | string[]);
    }
    res.statusCode = 200;
    res.statusMessage = undefined as unknown as string;
  }

  /** Sends the first call, with the cookie that the answer owes. */
  #first(method: Method, args: unknown[]): unknown {
    const cookie = this.#session.takeCookie();
    if (cookie === undefined) return this.#pass(method, args);
    if (method === 'writeHead') args = applyHead(this.#res, args);
    // After the headers of `writeHead`, which would otherwise replace it.
    this.#res.appendHeader('Set-Cookie', cookie);
    return this.#pass(method, args);
  }

  #pass(method: Method, args: unknown[]): unknown {
    return this.#originals[method].apply(this.#res, args as never[]);
  }

  // ---- looking sent while held

  #status: { code: number; message: string | undefined } = { code: 200, message: undefined };
  #destroyAsked = false;

  /** Makes a held response look sent: what is seen as unsent is answered twice, by frameworks as by handlers. */
  #pretendSent(): void {
    const res = this.#res;
    this.#status = { code: res.statusCode, message: res.statusMessage as string | undefined };
    override(res, 'headersSent', true);
    for (const [name, verb] of HEADER_METHODS) {
      override(res, name, () => {
        throw headersSent(verb);
      });
    }
    if (res._implicitHeader) override(res, '_implicitHeader', () => {});

    // Error handlers that see an answer on its way destroy its socket, which would cut off what is held.
    const { socket } = res;
    if (socket && !Object.hasOwn(socket, 'destroy')) {
      this.#socket = socket;
      const own = socket.destroy;
      override(socket, 'destroy', (error?: Error) => {
        if (error) return own.call(socket, error);
        this.#destroyAsked = true;
        return socket;
      });
    }
  }

  #socket: object | undefined;

  /** Shows the response as it is again; returns the destroy that was asked for meanwhile. */
  #stopPretending(): (() => void) | undefined {
    const res = this.#res;
    const socket = this.#socket as typeof res.socket | undefined;
    restore(res);
    if (!socket) return undefined;
    restore(socket);
    return this.#destroyAsked ? () => socket.destroy() : undefined;
  }
}

const HEADER_METHODS = [
  ['setHeader', 'set'],
  ['setHeaders', 'set'],
  ['appendHeader', 'append'],
  ['removeHeader', 'remove'],
] as const;

const OVERRIDDEN = Symbol('overridden');

/** Gives `target` an own property for a while; `restore` puts back what was there. */
function override(target: object, name: string, value: unknown): void {
  const overridden = ((target as Record<symbol, unknown>)[OVERRIDDEN] ??= new Map()) as Map<
    string,
    PropertyDescriptor | undefined
  >;
  if (!overridden.has(name)) overridden.set(name, Object.getOwnPropertyDescriptor(target, name));
  Object.defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true });
}

function restore(target: object): void {
  const overridden = (target as Record<symbol, unknown>)[OVERRIDDEN] as
    | Map<string, PropertyDescriptor | undefined>
    | undefined;
  if (!overridden) return;
  for (const [name, descriptor] of overridden) {
    if (descriptor) Object.defineProperty(target, name, descriptor);
    else delete (target as Record<string, unknown>)[name];
  }
  delete (target as Record<symbol, unknown>)[OVERRIDDEN];
}

/** Checks the arguments of a `writeHead` that is applied later, so that its caller sees what is wrong. */
function checkHead(args: unknown[]): void {
  const status = Number(args[0]) | 0;
  if (status < 100 || status > 999) {
    throw Object.assign(new RangeError(`Invalid status code: ${String(args[0])}`), {
      code: 'ERR_HTTP_INVALID_STATUS_CODE',
    });
  }
  for (const [name, value] of headersOf(args)) {
    validateHeaderName(name);
    for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one as string);
  }
}

/** Sets the headers of a `writeHead` on the response, as Node would; returns the arguments that are left. */
function applyHead(res: ServerResponse, args: unknown[]): unknown[] {
  const headers = headersOf(args);
  for (const [name] of headers) res.removeHeader(name);
  for (const [name, value] of headers) {
    if (value !== undefined)
      res.appendHeader(name, (typeof value === 'number' ? String(value) : value) as string | string[]);
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
