import { checkNoOthers, checkWord } from '../contract/option-checks.js';
import type { SessionStore } from '../contract/store.js';
import type { SessionConfig } from '../session/config.js';
import { clientOf, textOf, type AddressPart, type SessionClient } from '../session/seen.js';
import type { FromRequest } from '../token/from-request.js';

/**
 * Checks the option `client`. Returns a function that describes the client of a request; `undefined` if no use is
 * recorded. Throws a `TypeError` that says what to write instead.
 */
export function resolveClient(client: unknown, store: SessionStore): SessionConfig['clientOf'] {
  if (client === undefined || client === false) return undefined;
  if (store.capabilities.use === false) {
    throw new TypeError(
      'client needs a store that keeps when a session was last used, and an express-session store does not. Leave it out, or use another store',
    );
  }
  if (typeof client === 'function') return (req) => textOf((client as FromRequest<SessionClient>)(req));
  if (client === true) return (req) => textOf(clientOf(req, 'network'));
  if (typeof client !== 'object' || client === null) {
    throw new TypeError("client must be true, { ip } or a function: write client: { ip: 'network' }");
  }
  const { ip, ...others } = client as { ip: AddressPart };
  checkNoOthers('client', others, 'ip');
  const part = checkWord('client.ip', ip, ['none', 'network', 'full']);
  return (req) => textOf(clientOf(req, part));
}
