import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Addressee } from '../nest/handshake.js';
import type { SessionConfig } from '../session/config.js';
import type { SessionRecheck } from '../session/recheck.js';
import { identify } from '../token/presented.js';
import type { Token } from '../token/token.js';
import type { AllowedOrigins } from './origins.js';
import { LET_FINISH, SessionSocket, type Client, type Presented, type SocketHost } from './socket.js';

/** How many origins that are not allowed are logged at most. */
const MOST_WARNINGS = 100;

const sockets = new WeakMap<object, SessionSocket>();

/** How many characters of an origin or a host are logged. */
const LONGEST_LOGGED = 200;

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
  readonly #warnedOf = new Set<string>();
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
    return { by, tokens: this.#isAllowed(handshake.headers, to) ? tokens : [] };
  }

  #isAllowed(headers: IncomingHttpHeaders, to: Addressee): boolean {
    if (this.#origins.allow(headers.origin, to)) return true;
    const origin = String(headers.origin).slice(0, LONGEST_LOGGED);
    if (this.#warnedOf.size < MOST_WARNINGS && !this.#warnedOf.has(origin)) {
      this.#warnedOf.add(origin);
      this.#config.logger.warn(
        `a socket from the origin ${JSON.stringify(origin)} got no session, because it was sent to the host ${JSON.stringify(String(to.host).slice(0, LONGEST_LOGGED))}. ${adviceFor(headers, to)}If the origin is another site of yours, list it: withSessions(adapter, app, { origins: ['https://app.example.com'] })`,
      );
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
