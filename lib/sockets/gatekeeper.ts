import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Addressee } from '../nest/handshake.js';
import type { SessionConfig } from '../session/config.js';
import type { SessionRecheck } from '../session/recheck.js';
import { identify } from '../token/presented.js';
import type { Token } from '../token/token.js';
import type { AllowedOrigins, Refusal } from './origins.js';
import { LET_FINISH, SessionSocket, type Client, type Presented, type SocketHost } from './socket.js';

/** How many different warnings about handshakes are logged at most. */
const MOST_WARNINGS = 100;

const sockets = new WeakMap<object, SessionSocket>();

/** How many characters of an origin or a host are logged. */
const LONGEST_LOGGED = 200;

/** What to log about a handshake that may not have its session. */
function warningOf(refusal: Refusal, headers: IncomingHttpHeaders, to: Addressee): string {
  if (refusal === 'script')
    return 'a socket by JSONP polling got no session, because a script element of any site can open one. Use the transport websocket, or polling by XMLHttpRequest';
  const origin = headers.origin === undefined ? 'no Origin header' : `the origin ${logged(headers.origin)}`;
  const listed = `withSessions(adapter, app, { origins: ['https://app.example.com'] })`;
  if (refusal === 'site')
    return `a socket with ${origin} got no session, because a page of another origin opened it (Sec-Fetch-Site: ${logged(headers['sec-fetch-site'])}). If that is another site of yours, list it: ${listed}`;
  return `a socket from ${origin} got no session, because it was sent to the host ${logged(to.host)}. ${adviceFor(headers, to)}If the origin is another site of yours, list it: ${listed}`;
}

function logged(value: unknown): string {
  return JSON.stringify(String(value).slice(0, LONGEST_LOGGED));
}

/** What to change if the origin is the app's own and a proxy has replaced the host. */
function adviceFor(headers: IncomingHttpHeaders, { host }: Addressee): string {
  const forwarded = headers['x-forwarded-host'];
  if (forwarded !== undefined && forwarded !== host)
    return "Behind a proxy that sets X-Forwarded-Host, trust it: app.set('trust proxy', 1), or new FastifyAdapter({ trustProxy: true }). ";
  return 'Behind nginx, pass the host with its port: proxy_set_header Host $http_host. ';
}

/** The session socket of a client; `undefined` if no gatekeeper admitted it. */
export function socketOf(client: object): SessionSocket | undefined {
  return sockets.get(client);
}

/** Decides at the handshake which session a socket has, and waits for handlers in flight when the app closes. */
export class Gatekeeper implements SocketHost {
  readonly #config: SessionConfig;
  readonly #origins: AllowedOrigins;
  readonly #recheck: SessionRecheck;
  readonly #addressee: (handshake: IncomingMessage) => Addressee;
  readonly #warned = new Set<string>();
  /** The handlers in flight. */
  readonly #busy = new Set<Promise<unknown>>();

  /** @param addressee reads where a handshake was sent to */
  constructor(
    config: SessionConfig,
    recheck: SessionRecheck,
    origins: AllowedOrigins,
    addressee: (handshake: IncomingMessage) => Addressee,
  ) {
    this.#config = config;
    this.#recheck = recheck;
    this.#origins = origins;
    this.#addressee = addressee;
  }

  /** Admits a client. Called by each gateway of a server for each client; only the first call counts. */
  admit(client: Client, handshake: IncomingMessage): void {
    if (sockets.has(client)) return;
    const socket = new SessionSocket(this, this.#config, client, handshake, this.#identify(handshake));
    sockets.set(client, socket);
    socket.open();
  }

  /** The tokens that a handshake presents, and the identity that decides about them. */
  #identify(handshake: IncomingMessage): Presented {
    const { identities, identitiesFor, signer, logger } = this.#config;
    const to = this.#addressee(handshake);
    let found: ReturnType<typeof identify>;
    try {
      found = identify(identitiesFor?.(handshake) ?? identities, handshake);
    } catch (error) {
      // Nothing else would catch an error of the app's own `cookie` function or identity, and the process would end.
      logger.error('a socket got no session, because an identity failed to read its handshake', error);
    }
    const { by, texts } = found ?? { by: identities[0]!, texts: [] };
    const tokens = signer.verified(texts);
    // Browsers send cookies, and nothing else, with every socket that a page opens. So only cookies need the check.
    if (tokens.length === 0 || !by.isCookie) return { by, tokens };
    return { by, tokens: this.#isAllowed(handshake, to) ? tokens : [] };
  }

  #isAllowed(handshake: IncomingMessage, to: Addressee): boolean {
    const refusal = this.#origins.refusalOf(handshake, to);
    if (!refusal) return true;
    const warning = warningOf(refusal, handshake.headers, to);
    if (this.#warned.size < MOST_WARNINGS && !this.#warned.has(warning)) {
      this.#warned.add(warning);
      this.#config.logger.warn(warning);
    }
    return false;
  }

  watch(token: Token, end: () => void): () => void {
    return this.#recheck.watch(() => token, end);
  }

  during(work: Promise<unknown>): void {
    this.#busy.add(work);
    const done = (): void => void this.#busy.delete(work);
    work.then(done, done);
  }

  /** Waits for the handlers in flight, at most {@link LET_FINISH}, before the store is closed. */
  async finish(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LET_FINISH);
    });
    await Promise.race([Promise.allSettled(this.#busy), late]);
    clearTimeout(timer);
  }
}
