import type { OutgoingHttpHeaders } from 'node:http';
import { methodOf, type AnyMethod, type Method, type Response } from './patch.js';

/** A response as it was before the handler ran. */
export class ResponseBefore {
  readonly #res: Response;
  readonly #headers: OutgoingHttpHeaders;
  readonly #writeHead: Response['writeHead'];
  /** Whether earlier middleware has hooked `writeHead`. */
  readonly #isHooked: boolean;

  constructor(res: Response) {
    this.#res = res;
    this.#headers = res.getHeaders();
    this.#writeHead = res.writeHead;
    this.#isHooked = Object.hasOwn(res, 'writeHead');
  }

  /** Whether other middleware has hooked `writeHead` since. */
  get isHookedSince(): boolean {
    return this.#res.writeHead !== this.#writeHead;
  }

  /** A method without the hooks that middleware has added since: only the header hooks of earlier middleware remain. */
  methodOf(method: Method): AnyMethod {
    if (method === 'writeHead' && this.#isHooked) return this.#writeHead as AnyMethod;
    return methodOf(this.#res, method);
  }

  /** Restores the headers and the status. Does nothing once they were sent. */
  restore(): void {
    const res = this.#res;
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
}
