import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Addressee } from './origins.js';

/**
 * Whether a request is one of Socket.IO, on which its server runs the middleware of `io.engine.use`. engine.io puts the
 * parsed query there before that, for a handshake by polling and by WebSocket alike. A URL alone is no proof: a page of
 * another site could send the same query, and make a request of the app lose its session.
 */
export function isEngineRequest(req: IncomingMessage): boolean {
  return '_query' in req;
}

/**
 * Whether Socket.IO's option `cors` lets pages of the request's origin read its responses with credentials. Its server
 * has set the headers that say so before it runs other middleware.
 */
export function isAllowedByCors({ headers }: IncomingMessage, res: ServerResponse): boolean {
  return (
    headers.origin !== undefined &&
    res.getHeader('Access-Control-Allow-Origin') === headers.origin &&
    res.getHeader('Access-Control-Allow-Credentials') === 'true'
  );
}

/** The host that a handshake was sent to, by its own headers. */
export function ownAddresseeOf({ headers, socket }: IncomingMessage): Addressee {
  return { host: headers.host, isEncrypted: (socket as { encrypted?: boolean }).encrypted === true };
}
