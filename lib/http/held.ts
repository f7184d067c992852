import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { checkChunk, checkHead, headersSent } from './head.js';

/** The methods that send something. */
export type Method = 'writeHead' | 'write' | 'end' | 'flushHeaders';

/** Node's response, with the part that its types leave out. */
export type Response = ServerResponse & { _implicitHeader?: () => void };
export type AnyMethod = (this: Response, ...args: unknown[]) => unknown;

/** How many responses are held. While none is, header methods skip the search for the seal of their response. */
let heldNow = 0;

/** Whether any response is held. */
export function anyHeld(): boolean {
  return heldNow > 0;
}

/** The property of a socket that has the response which is held on it. */
const HELD = Symbol('held');
type HoldingSocket = Socket & { [HELD]?: Held | undefined };

/**
 * The calls of a held response. It looks sent although it is not, because frameworks and handlers respond a second time
 * to a request whose response looks unsent. Its status is the one that it had when it was sealed.
 */
export class Held {
  readonly calls: [method: Method, args: unknown[]][] = [];
  ended = false;
  /** An error handler that finds a response under way destroys its socket, which would cut off a held response. */
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
    // HTTP/2 has no status message, and emits a warning when it is read.
    this.#statusMessage = Object.hasOwn(res, 'statusMessage') ? res.statusMessage : undefined;
    this.#socket = res.socket;
    if (this.#socket) {
      deferDestroy(this.#socket);
      this.#socket[HELD] = this;
    }
    heldNow++;
  }

  /** The status of the response when it was sealed. Later assignments do not count. */
  get status(): number {
    const [method, args] = this.calls[0]!;
    return method === 'writeHead' ? (args[0] as number) : this.#statusCode;
  }

  /** Checks a call as Node would, and keeps it. Returns what Node would return. */
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
        // As in Node, a write after the end is not sent.
        if (this.ended) drop(args, new Error('write was called after the response had ended'));
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

  /** Stops holding: the response shows its true state again. */
  stop(): void {
    heldNow--;
    const res = this.#res;
    if (this.ended) setFinished(res, false);
    res.statusCode = this.#statusCode;
    if (this.#statusMessage !== undefined) res.statusMessage = this.#statusMessage;
    if (this.#socket) this.#socket[HELD] = undefined;
  }
}

/** Defers `destroy` while a response is held on this socket. A `destroy` with an error still acts at once. */
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

/** Makes the response look ended, or shows its true state again. */
export function setFinished(res: Response, finished: boolean): void {
  // In HTTP/1 `finished` is a property, which `writableEnded` reads. In HTTP/2 both are getters of the class.
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

/** Passes `error` to the callback of a call that is dropped, if it has one. */
export function drop(args: unknown[], error: unknown): void {
  const callback = args.findLast((arg) => typeof arg === 'function');
  if (callback) process.nextTick(callback as (error: unknown) => void, error);
}
