import type { IncomingMessage } from 'node:http';
import type { SessionConfig } from '../session/config.js';
import type { SessionRecheck } from '../session/recheck.js';
import { identify } from '../token/presented.js';
import type { Token } from '../token/token.js';
import type { AllowedOrigins } from './origins.js';
import { LET_FINISH, SessionSocket, type Client, type Presented, type SocketHost } from './socket.js';

/** How many origins that are not allowed are logged at most. */
const MOST_WARNINGS = 100;

const sockets = new WeakMap<object, SessionSocket>();

/** The session socket of a client; `undefined` if no gatekeeper admitted it. */
export function socketOf(client: object): SessionSocket | undefined {
  return sockets.get(client);
}

/** Decides at the handshake which session a socket has, and waits for handlers in flight when the app closes. */
export class Gatekeeper implements SocketHost {
  readonly #config: SessionConfig;
  readonly #origins: AllowedOrigins;
  readonly #recheck: SessionRecheck;
  readonly #warnedOf = new Set<string>();
  /** The handlers in flight. */
  readonly #busy = new Set<Promise<unknown>>();

  constructor(config: SessionConfig, recheck: SessionRecheck, origins: AllowedOrigins) {
    this.#config = config;
    this.#recheck = recheck;
    this.#origins = origins;
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
    return { by, tokens: this.#isAllowed(handshake) ? tokens : [] };
  }

  #isAllowed({ headers, socket }: IncomingMessage): boolean {
    const encrypted = (socket as { encrypted?: boolean }).encrypted === true;
    if (this.#origins.allow(headers, encrypted)) return true;
    const origin = String(headers.origin).slice(0, 200);
    if (this.#warnedOf.size < MOST_WARNINGS && !this.#warnedOf.has(origin)) {
      this.#warnedOf.add(origin);
      this.#config.logger.warn(
        `a socket from the origin ${JSON.stringify(origin)} got no session. If the origin is yours, list it: withSessions(adapter, app, { origins: ['https://app.example.com'] })`,
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
