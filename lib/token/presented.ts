import type { IncomingMessage } from 'node:http';
import type { ResolvedIdentity } from './identity.js';

/**
 * What a request presents, and the identity that decides about it; `undefined` when none applies. A header is there
 * because a client's own code put it there, a cookie comes by itself: so headers are asked first.
 */
export function identify(
  identities: readonly ResolvedIdentity[],
  req: IncomingMessage,
): { by: ResolvedIdentity; texts: readonly string[] } | undefined {
  let first: ResolvedIdentity | undefined;
  let cookie: { by: ResolvedIdentity; texts: readonly string[] } | undefined;
  for (const by of identities) {
    const { identity, isCookie } = by;
    if (identity.appliesTo && !identity.appliesTo(req)) continue;
    first ??= by;
    const texts = isCookie && cookie ? undefined : identity.get(req);
    if (texts === undefined) continue;
    if (!isCookie) return { by, texts };
    cookie = { by, texts };
  }
  return cookie ?? (first && { by: first, texts: [] });
}
