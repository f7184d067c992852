import type { Socket } from 'node:net';
import { checkChunk, checkHead } from './head.js';
import {
  headersSent,
  holdOne,
  releaseOne,
  type AnyMethod,
  type Call,
  type Method,
  type Response,
} from './patch.js';

/** The property of a socket that has the response which is held on it. */
const HELD = Symbol('held');
type HoldingSocket = Socket & { [HELD]?: Held | undefined };

/**
 * The calls of a held response. It looks sent although it is not, because frameworks and handlers respond a second time
 * to a request whose response looks unsent. Its status is the one that it had when it was sealed.
 */
export class Held {
  readonly calls: Call[] = [];
  ended = false;
  /** An error handler that finds a response in progress destroys its socket, which would cut off a held response. */
  destroyAsked = false;
  readonly #res: Response;
  readonly #socket: HoldingSocket | null;
  readonly #statusCode: number;
  readonly #statusMessage: string | undefined;

  constructor(res: Response) {
    this.#res = res;
    this.#statusCode = res.statusCode;
    // HTTP/2 has no status message, and emits a warning when it is read.
    this.#statusMessage = Object.hasOwn(res, 'statusMessage') ? res.statusMessage : undefined;
    // Streams of HTTP/2 share a socket.
    this.#socket = isHttp2(res) ? res.stream : res.socket;
    if (this.#socket) {
      deferDestroy(this.#socket);
      this.#socket[HELD] = this;
    }
    holdOne();
  }

  /** The status of the response when it was sealed. Later assignments do not count. */
  get status(): number {
    const [method, args] = this.calls[0]!;
    return method === 'writeHead' ? (args[0] as number) : this.#statusCode;
  }

  /** Checks a call as Node would, and keeps it. Returns what Node would return; `false` for a `write`. */
  take(method: Method, args: unknown[], original: AnyMethod): unknown {
    const res = this.#res;
    if (this.calls.length === 0 && method !== 'writeHead') checkHead([res.statusCode], this.#statusMessage);
    switch (method) {
      case 'flushHeaders':
        if (!this.ended) this.calls.push([method, args, original]);
        return undefined;
      case 'writeHead':
        if (this.calls.length > 0) throw headersSent('write');
        checkHead(args, this.#statusMessage);
        res.statusCode = args[0] as number;
        this.calls.push([method, args, original]);
        return res;
      case 'write':
        checkChunk(args[0], args[1], false);
        // As in Node, a write after the end is not sent.
        if (this.ended) drop(args, afterEnd());
        else this.calls.push([method, args, original]);
        // The caller waits for `drain`, which comes after the commit: otherwise memory would have to hold it all.
        return false;
      case 'end':
        if (this.ended) return endedTwice(res, args);
        checkChunk(args[0], args[1], true);
        this.calls.push([method, args, original]);
        this.ended = true;
        return res;
    }
  }

  /** Stops holding: the response shows its true state again. */
  stop(): void {
    releaseOne();
    const res = this.#res;
    // Not without need: the first assignment to a response that Express has given another prototype costs 2 µs.
    if (res.statusCode !== this.#statusCode) res.statusCode = this.#statusCode;
    // HTTP/2 has none.
    if (!isHttp2(res) && res.statusMessage !== this.#statusMessage)
      res.statusMessage = this.#statusMessage as string;
    if (this.#socket) this.#socket[HELD] = undefined;
  }
}

function isHttp2(res: Response): res is Response & { stream: HoldingSocket } {
  return 'stream' in res;
}

/** A second `end`, as in Node: its callback waits for the response to finish, or gets an error if it has. */
function endedTwice(res: Response, args: unknown[]): Response {
  const callback = args.findLast((arg) => typeof arg === 'function') as (() => void) | undefined;
  if (callback) res.once('finish', callback);
  return res;
}

/** The error that Node gives to a write after the end. */
export function afterEnd(): Error {
  return Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' });
}

/**
 * Defers `destroy` while a response is held on this socket. It still acts at once with an error, or if nothing can be
 * sent any more because the client has disconnected.
 */
function deferDestroy(socket: HoldingSocket): void {
  if (HELD in socket) return;
  const { destroy } = socket;
  socket.destroy = function (this: HoldingSocket, ...args: Parameters<Socket['destroy']>): Socket {
    const held = this[HELD];
    if (!held || args[0] || !this.writable) return destroy.apply(this, args);
    held.destroyAsked = true;
    return this;
  };
}

/** Passes `error` to the callback of a call that is dropped, if it has one. */
export function drop(args: unknown[], error: unknown): void {
  const callback = args.findLast((arg) => typeof arg === 'function');
  if (callback) process.nextTick(callback as (error: unknown) => void, error);
}
