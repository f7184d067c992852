import type { IncomingMessage } from 'node:http';
import { OriginCheck } from '../http/origin-check.js';
import type { Addressee, AllowedOrigins } from '../http/origins.js';
import type { SessionConfig } from '../session/config.js';
import type { Connection, OpenConnection, OpenConnections } from '../session/connections.js';
import { identify } from '../token/presented.js';
import { LET_FINISH, SessionSocket, type RawSocket, type Presented, type SocketHost } from './socket.js';

/** How an app lists the origins of its other sites. */
const LIST_IT = "list it: withSessions(adapter, app, { origins: ['https://app.example.com'] })";

const sockets = new WeakMap<object, SessionSocket>();

/** The session socket of a client; `undefined` if no gatekeeper admitted it. */
export function socketOf(client: object): SessionSocket | undefined {
  return sockets.get(client);
}

/** Decides at the handshake which session a socket has, and waits for handlers in flight when the app closes. */
export class Gatekeeper implements SocketHost {
  readonly #config: SessionConfig;
  readonly #origins: OriginCheck;
  readonly #connections: OpenConnections;
  readonly #addressee: (handshake: IncomingMessage) => Addressee;
  /** The handlers in flight. */
  readonly #busy = new Set<Promise<unknown>>();

  /** @param addressee returns the host that a handshake was sent to */
  constructor(
    config: SessionConfig,
    connections: OpenConnections,
    origins: AllowedOrigins,
    addressee: (handshake: IncomingMessage) => Addressee,
  ) {
    this.#config = config;
    this.#connections = connections;
    this.#origins = new OriginCheck(origins, config.logger, LIST_IT);
    this.#addressee = addressee;
  }

  /** Admits a client. Called by each gateway of a server for each client; only the first call counts. */
  admit(client: RawSocket, handshake: IncomingMessage): void {
    if (sockets.has(client)) return;
    const socket = new SessionSocket(this, this.#config, client, handshake, this.#identify(handshake));
    sockets.set(client, socket);
    socket.open();
  }

  /** The tokens that a handshake presents, and the identity that decides about them. */
  #identify(handshake: IncomingMessage): Presented {
    const { identities, identitiesFor, signer, logger } = this.#config;
    let to: Addressee | undefined;
    let found: ReturnType<typeof identify>;
    try {
      to = this.#addressee(handshake);
      found = identify(identitiesFor?.(handshake) ?? identities, handshake);
    } catch (error) {
      // Nothing else would catch an error of the app's own `cookie` function, identity or `trust proxy`, and the process
      // would end.
      logger.error('a socket got no session, because its handshake could not be read', error);
    }
    const { by, texts } = found ?? { by: identities[0]!, texts: [] };
    const tokens = signer.verified(texts);
    // Browsers send cookies, and nothing else, with every socket that a page opens. So only cookies need the check.
    if (tokens.length === 0 || !to || !by.isCookie) return { by, tokens };
    return { by, tokens: this.#origins.allows(handshake, to) ? tokens : [] };
  }

  register(connection: Connection, ids: readonly string[]): OpenConnection {
    return this.#connections.register(connection, ids);
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
