import type { IncomingMessage } from 'node:http';
import type { ResolvedIdentity } from './identity.js';

/**
 * The tokens that a request presents, and the identity that decides about them. `undefined` if no identity applies.
 * Headers come before cookies: a client's code sets a header on purpose, but browsers send cookies automatically.
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
