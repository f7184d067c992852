import { createHmac, type KeyObject } from 'node:crypto';
import type { SessionLogger } from '../session/logger.js';
import type { SigningSecret } from '../token/signer.js';

/** A shorter secret causes a warning in production. In characters or bytes. */
export const SHORTEST_SECRET = 32;

/** Checks the option `secret`. Throws a `TypeError` that says what to write instead. Warns of a short one in production. */
export function checkSecrets(secret: unknown, logger: SessionLogger): SigningSecret[] {
  const secrets = Array.isArray(secret) ? secret : [secret];
  if (
    secrets.length === 0 ||
    secrets.some((one) => !one || (typeof one !== 'string' && typeof one !== 'object'))
  ) {
    const undefinedAdvice =
      secret === undefined ? '. If it is in .env, load that first: use forRootAsync with ConfigService' : '';
    throw new TypeError(
      `secret is required: write a non-empty string that all processes share, or a list of which the first signs. To generate one: openssl rand -base64 32${undefinedAdvice}`,
    );
  }
  for (const one of secrets) {
    try {
      createHmac('sha256', one as SigningSecret);
    } catch {
      throw new TypeError('secret must be a string, a Buffer or a secret KeyObject, or a list of them');
    }
  }
  if (process.env['NODE_ENV'] === 'production' && (secrets as SigningSecret[]).some(isShort)) {
    logger.warn(
      `secret has fewer than ${SHORTEST_SECRET} characters, so it may be guessed. Generate a longer one: openssl rand -base64 32`,
    );
  }
  return secrets as SigningSecret[];
}

function isShort(secret: SigningSecret): boolean {
  return lengthOf(secret) < SHORTEST_SECRET;
}

/** How many characters or bytes a secret has; 0 if it does not say. */
export function lengthOf(secret: SigningSecret): number {
  const length =
    'length' in Object(secret) ? (secret as string).length : (secret as KeyObject).symmetricKeySize;
  return length ?? 0;
}
