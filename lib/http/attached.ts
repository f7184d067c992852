import type { SessionExchange, SessionIncomingMessage } from './exchange.js';
import { patchRequest } from './patch.js';

// Shared by all copies of this package: the middleware of one finds the session of another.
const EXCHANGE = Symbol.for('nestjs-session-stores/exchange/1');

/** An object that holds the exchange of a request. */
interface Keeper {
  [EXCHANGE]?: SessionExchange;
}

/** A request with the state of its stream, which its types leave out. An imitation of a request may have none. */
type Streamed = Keeper & { _readableState?: Keeper };

/**
 * Ties a request to its exchange, so that `exchangeOf` finds it, and puts the session's id at `req.sessionID`.
 *
 * The exchange is kept in the private state of the request's stream. To keep it once and find it five times costs 2 µs
 * there. A property on the request itself costs 6 µs once Express has changed its prototype, because V8 then makes a new
 * shape for each object. A `WeakMap` costs 10 µs, because its entries survive minor garbage collections.
 */
export function attach(exchange: SessionExchange): void {
  const { req } = exchange;
  const streamed = req as Streamed;
  (streamed._readableState ?? streamed)[EXCHANGE] = exchange;
  patchRequest(req, MEMBERS);
}

/** The exchange of a request; `undefined` if the session middleware did not run for it. */
export function exchangeOf(req: unknown): SessionExchange | undefined {
  const streamed = req as Streamed | undefined;
  return (streamed?._readableState ?? streamed)?.[EXCHANGE];
}

/**
 * The members that the session layer adds to a request, except `session`, which is an own property because apps delete
 * it. Requests without a session have none of them.
 */
const MEMBERS: PropertyDescriptorMap = {
  sessionID: requestProperty('sessionID', ({ work }) => work.id),
  sessionStore: requestProperty('sessionStore', ({ sessionStore }) => sessionStore),
};

/** A property of a request. Handlers may assign it like any other. */
function requestProperty(name: string, valueOf: (exchange: SessionExchange) => unknown): PropertyDescriptor {
  return {
    configurable: true,
    get(this: SessionIncomingMessage): unknown {
      const exchange = exchangeOf(this);
      return exchange && valueOf(exchange);
    },
    set(this: object, value: unknown) {
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
    },
  };
}
