import type { IncomingMessage } from 'node:http';
import type { SessionConfig } from './config.js';

/**
 * The handlers that have run for a request, as far as is known: none, only passive ones, or at least one that is not
 * passive. Several resolvers of one GraphQL operation may share a session.
 */
export type Handlers = 'none' | 'passive' | 'active';

/** The handlers after one more. A request with a handler that is not passive uses its session. */
export function withHandler(before: Handlers, isPassive: boolean): Handlers {
  return isPassive && before !== 'active' ? 'passive' : 'active';
}

/** Whether the option `passive` says that a request is passive. Throws a `TypeError` if it returns no boolean. */
export function isPassiveRequest({ passive }: Pick<SessionConfig, 'passive'>, req: IncomingMessage): boolean {
  if (!passive) return false;
  const result = passive(req);
  if (typeof result === 'boolean') return result;
  throw new TypeError(
    "passive must return true or false at once: write passive: (req) => req.url === '/status'",
  );
}
