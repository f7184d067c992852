import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { checkChunk, checkHead, headersSent } from './head.js';

/** The methods that send something. */
export type Method = 'writeHead' | 'write' | 'end' | 'flushHeaders';

/** Node's response, with the parts that its types leave out. */
export type Response = ServerResponse & { _implicitHeader?: () => void };
export type AnyMethod = (this: Response, ...args: unknown[]) => unknown;

/** How many responses are held: while none is, no header method looks for its own. */
let heldNow = 0;

/** Whether any response is held. */
export function anyHeld(): boolean {
  return heldNow > 0;
}

/** Where a socket keeps the response that is held on it. */
const HELD = Symbol('held');
type HoldingSocket = Socket & { [HELD]?: Held | undefined };

/**
 * A response that looks sent while it is not: what is seen as unsent is answered twice, by frameworks as by handlers.
 * The status is that of the moment it was sealed.
 */
export class Held {
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
export function setFinished(res: Response, finished: boolean): void {
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
export function drop(args: unknown[], error: unknown): void {
  const callback = args.findLast((arg) => typeof arg === 'function');
  if (callback) process.nextTick(callback as (error: unknown) => void, error);
}
