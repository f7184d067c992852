import type { IncomingMessage } from 'node:http';
import { OriginCheck } from '../http/origin-check.js';
import type { Addressee, AllowedOrigins } from '../http/origins.js';
import type { EndReason } from '../session/connections.js';
import { isPassiveRequest } from '../session/passive.js';
import { identify } from '../token/presented.js';
import type { SocketExchange } from './exchange.js';
import { SocketSession, type Presented } from './session.js';
import type { SocketSessions } from './socket-sessions.js';

/** Decides at the handshake which session a socket has. */
export class Gatekeeper {
  readonly #sessions: SocketSessions;
  readonly #origins: OriginCheck;

  /** @param howToList how an app allows another site of its own, as a clause that ends a warning */
  constructor(sessions: SocketSessions, origins: AllowedOrigins, howToList: string) {
    this.#sessions = sessions;
    this.#origins = new OriginCheck(origins, sessions.config.logger, howToList);
  }

  /**
   * The session of a socket, by its handshake.
   *
   * @param close closes the socket, because its session has ended; called once
   * @param unanswered the messages without a response on the connection, if other sockets share it
   */
  admit(
    handshake: IncomingMessage,
    close: (reason: EndReason) => void,
    unanswered?: Set<SocketExchange>,
  ): SocketSession {
    return new SocketSession(this.#sessions, handshake, this.#identify(handshake), close, unanswered);
  }

  /** The tokens that a handshake presents, and the identity that decides about them. */
  #identify(handshake: IncomingMessage): Presented {
    const { config } = this.#sessions;
    const { identities, identitiesFor, signer, logger } = config;
    let isPassive = false;
    let to: Addressee | undefined;
    let found: ReturnType<typeof identify>;
    try {
      to = this.#sessions.addresseeOf(handshake);
      isPassive = isPassiveRequest(config, handshake);
      found = identify(identitiesFor?.(handshake) ?? identities, handshake);
    } catch (error) {
      // Nothing else would catch an error of the app's own `cookie` or `passive` function, identity or `trust proxy`,
      // and the process would end.
      logger.error('a socket got no session, because its handshake could not be read', error);
    }
    const { by, texts } = found ?? { by: identities[0]!, texts: [] };
    const tokens = signer.verified(texts);
    // Browsers send cookies, and nothing else, with every socket that a page opens. So only cookies need the check.
    if (tokens.length === 0 || !to || !by.isCookie) return { by, tokens, isPassive };
    return { by, tokens: this.#origins.allows(handshake, to) ? tokens : [], isPassive };
  }
}
