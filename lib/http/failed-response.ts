import type { Readable } from 'node:stream';
import { sendFailure } from './failure.js';
import { sendFirst, type CarriesHeaders } from './head.js';
import { afterEnd, drop } from './held.js';
import { METHODS, type Call, type Method, type Response } from './patch.js';
import type { ResponseBefore } from './response-before.js';

/** What an error response needs to know about the session whose commit has failed. */
export interface FailedSession extends CarriesHeaders {
  readonly failure: { readonly error: unknown } | undefined;
  readonly isGuarded: boolean;
}

/** The error response to a failed commit. Late calls of the handler are dropped. */
export class FailedResponse {
  readonly #res: Response;
  readonly #session: FailedSession;
  /** Whether it replaces a response that the handler had begun. */
  readonly #replaces: boolean;
  /** Whether the handler had not ended that response, so that the rest may still come. */
  #restMayCome = false;
  /** Whether a call is passed on. Node's methods call each other. */
  #isPassing = false;

  constructor(res: Response, session: FailedSession, replaces: boolean) {
    this.#res = res;
    this.#session = session;
    this.#replaces = replaces;
  }

  /** Lets the response's methods send the error response from here on. */
  takeOver(before: ResponseBefore, ended: boolean): void {
    const res = this.#res;
    this.#restMayCome = !ended;
    // Middleware that has begun to compress the handler's response must not compress this one. What it still sends
    // reaches the class's methods, and is dropped.
    for (const method of METHODS) {
      const original = before.methodOf(method);
      res[method] = ((...args: unknown[]) => this.#send([method, args, original])) as never;
    }
    // A stream that is piped into the response is unpiped when the error response ends, and nothing else would close
    // it.
    res.on('unpipe', (source: Readable) => source.destroy());
  }

  /** A call that reached the response's class. The error response has methods of its own if it replaces another. */
  call(call: Call): unknown {
    const [method, args, original] = call;
    if (this.#isPassing) return original.apply(this.#res, args);
    return this.#replaces ? dropLate(this.#res, method, args) : this.#send(call);
  }

  /** Sends a call of the error response, with the cookie of a new token if there is one. */
  #send(call: Call): unknown {
    const res = this.#res;
    const [method, args, original] = call;
    if (this.#isPassing) return original.apply(res, args);
    if (this.#session.isGuarded || res.writableEnded) return dropLate(res, method, args);
    if (this.#restMayCome && !res.headersSent && res.statusCode === 200) {
      // This may be the rest of the handler's response: a failure must not look like success.
      sendFailure(res, this.#session.failure?.error);
      return dropLate(res, method, args);
    }
    return this.#pass(call);
  }

  #pass(call: Call): unknown {
    const res = this.#res;
    const [, args, original] = call;
    this.#isPassing = true;
    try {
      return res.headersSent ? original.apply(res, args) : sendFirst(res, call, this.#session);
    } finally {
      this.#isPassing = false;
    }
  }
}

/** Drops a call that comes too late, as Node does after the end. */
export function dropLate(res: Response, method: Method, args: unknown[]): unknown {
  drop(args, afterEnd());
  return method === 'write' ? true : res;
}
