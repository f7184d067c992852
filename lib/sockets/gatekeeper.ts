import type { IncomingMessage } from 'node:http';
import type { SessionConfig } from '../session/config.js';
import type { SessionRecheck } from '../session/recheck.js';
import { identify } from '../token/presented.js';
import type { Token } from '../token/token.js';
import type { AllowedOrigins } from './origins.js';
import { LET_FINISH, SessionSocket, type Client, type Presented, type SocketHost } from './socket.js';

/** Of how many origins that are not allowed the log tells. */
const MOST_WARNINGS = 100;

const sockets = new WeakMap<object, SessionSocket>();

/** The socket with a session that `client` is; `undefined` if no gatekeeper admitted it. */
export function socketOf(client: object): SessionSocket | undefined {
  return sockets.get(client);
}

/** Decides at the handshake which session a socket has, and knows the sockets that have one. */
export class Gatekeeper implements SocketHost {
  readonly #config: SessionConfig;
  readonly #origins: AllowedOrigins;
  readonly #recheck: SessionRecheck;
  readonly #warnedOf = new Set<string>();
  readonly #busy = new Set<Promise<unknown>>();

  constructor(config: SessionConfig, recheck: SessionRecheck, origins: AllowedOrigins) {
    this.#config = config;
    this.#recheck = recheck;
    this.#origins = origins;
  }

  /** Each gateway of a server meets each of its clients: the first to come admits it. */
  admit(client: Client, handshake: IncomingMessage): void {
    if (sockets.has(client)) return;
    const socket = new SessionSocket(this, this.#config, client, handshake, this.#identify(handshake));
    sockets.set(client, socket);
    socket.open();
  }

  /** What a handshake presents, and the identity that decides about it. */
  #identify(handshake: IncomingMessage): Presented {
    const { identities, identitiesFor, signer, logger } = this.#config;
    let found: ReturnType<typeof identify>;
    try {
      found = identify(identitiesFor?.(handshake) ?? identities, handshake);
    } catch (error) {
      // Nobody else would catch what an app's own `cookie` or identity throws here, and the process would end.
      logger.error('a socket got no session, because its handshake could not be looked at', error);
    }
    const { by, texts } = found ?? { by: identities[0]!, texts: [] };
    const tokens = signer.verified(texts);
    // Browsers send cookies, and only those, to whatever a page connects to.
    if (tokens.length === 0 || !by.isCookie) return { by, tokens };
    return { by, tokens: this.#isAllowed(handshake) ? tokens : [] };
  }

  #isAllowed({ headers, socket }: IncomingMessage): boolean {
    const encrypted = (socket as { encrypted?: boolean }).encrypted === true;
    if (this.#origins.allow(headers, encrypted)) return true;
    const origin = String(headers.origin).slice(0, 200);
    if (this.#warnedOf.size < MOST_WARNINGS && !this.#warnedOf.has(origin)) {
      this.#warnedOf.add(origin);
      this.#config.logger.warn(
        `a socket from the origin ${JSON.stringify(origin)} got no session: if that is yours, list it: withSessions(adapter, app, { origins: ['https://app.example.com'] })`,
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

  /** Waits for handlers in flight, as a server does for requests, before the store is closed. */
  async finish(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LET_FINISH);
    });
    await Promise.race([Promise.allSettled(this.#busy), late]);
    clearTimeout(timer);
  }
}
