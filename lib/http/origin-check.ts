import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { SessionLogger } from '../session/logger.js';
import type { Addressee, AllowedOrigins, Refusal } from './origins.js';

/** How many different warnings of one kind are logged at most. */
const MOST_WARNINGS = 100;

/** How many characters of an origin or a host are logged. */
const LONGEST_LOGGED = 200;

/** Decides which handshakes may have the session of their cookie, and logs those that may not. */
export class OriginCheck {
  readonly #origins: AllowedOrigins;
  readonly #warnings: WarnOnce;
  readonly #howToList: string;

  /** @param howToList how an app allows another site of its own, as a clause that ends a warning */
  constructor(origins: AllowedOrigins, logger: SessionLogger, howToList: string) {
    this.#origins = origins;
    this.#warnings = new WarnOnce(logger);
    this.#howToList = howToList;
  }

  /**
   * Whether a handshake may have the session of its cookie.
   *
   * @param to where it was sent to
   * @param isListed whether its origin is allowed by a list that this check does not know
   */
  allows(handshake: IncomingMessage, to: Addressee, isListed = false): boolean {
    const refusal = this.#origins.refusalOf(handshake, to);
    if (!refusal || (isListed && refusal !== 'script')) return true;
    this.#warnings.warn(this.#warningOf(refusal, handshake.headers, to));
    return false;
  }

  /** The warning about a handshake that may not have its session. */
  #warningOf(refusal: Refusal, headers: IncomingHttpHeaders, to: Addressee): string {
    if (refusal === 'script')
      return 'a socket by JSONP polling got no session, because a script element of any site can open one. Use the transport websocket, or polling by XMLHttpRequest';
    const origin = headers.origin === undefined ? 'no Origin header' : `the origin ${logged(headers.origin)}`;
    if (refusal === 'site')
      return `a socket with ${origin} got no session, because a page of another origin opened it (Sec-Fetch-Site: ${logged(headers['sec-fetch-site'])}). If that is another site of yours, ${this.#howToList}`;
    return `a socket from ${origin} got no session, because it was sent to the host ${logged(to.host)}. ${adviceFor(headers, to)}If the origin is another site of yours, ${this.#howToList}`;
  }
}

/** Logs each warning once, and at most a hundred: their texts contain what clients send. */
export class WarnOnce {
  readonly #logger: SessionLogger;
  readonly #warned = new Set<string>();

  constructor(logger: SessionLogger) {
    this.#logger = logger;
  }

  warn(warning: string): void {
    if (this.#warned.size >= MOST_WARNINGS || this.#warned.has(warning)) return;
    this.#warned.add(warning);
    this.#logger.warn(warning);
  }
}

/** A value that a client sent, as a log line contains it. */
export function logged(value: unknown): string {
  return JSON.stringify(String(value).slice(0, LONGEST_LOGGED));
}

/** Advice in case the origin is the app's own and a proxy has replaced the host. */
export function adviceFor(headers: IncomingHttpHeaders, { host }: Addressee): string {
  const forwarded = headers['x-forwarded-host'];
  if (forwarded !== undefined && forwarded !== host)
    return "Behind a proxy that sets X-Forwarded-Host, trust it: app.set('trust proxy', 1), or new FastifyAdapter({ trustProxy: true }). ";
  return 'Behind nginx, pass the host with its port: proxy_set_header Host $http_host. ';
}
