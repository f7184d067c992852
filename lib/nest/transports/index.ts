import type { ExecutionContext } from '@nestjs/common';
import { graphql } from './graphql.js';
import { http, NO_SESSION } from './http.js';
import { sockets } from './sockets.js';
import type { HandlerWork, Transport } from './transport.js';

/** Nest's context type → the transport of its handlers. */
const TRANSPORTS = new Map<string, Transport<any>>([
  ['http', http],
  ['graphql', graphql],
  ['ws', sockets],
]);

/** The transport of a handler; `undefined` for a kind that has no sessions, such as microservices. */
export function transportOf(context: ExecutionContext): Transport | undefined {
  return TRANSPORTS.get(context.getType());
}

/** The session for which a handler runs. Throws if it has none. */
export function workOf(context: ExecutionContext): HandlerWork {
  const transport = transportOf(context);
  const work = transport?.workOf(context);
  if (!work) throw new Error(transport?.whyNone(context) ?? NO_SESSION);
  return work;
}
