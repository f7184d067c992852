import type { SessionStore } from '../contract/store.js';
import { resolveEncryption } from '../encryption/options.js';
import { EncryptedStore, isEncrypted } from '../encryption/store.js';
import type { SessionLogger } from '../session/logger.js';
import { isCaching, withCache } from './cached-store.js';
import type { SessionOptions } from './options.js';

/**
 * The store with the decorators that the options ask for: the cache goes around the encryption. Throws a `TypeError` for
 * invalid options, and for a store that has the decorator already.
 */
export function withDecorators(
  store: SessionStore,
  { encrypt, cache }: Pick<SessionOptions, 'encrypt' | 'cache'>,
  logger: SessionLogger,
): SessionStore {
  return withCache(encrypt === undefined ? store : withEncryption(store, encrypt, logger), cache);
}

function withEncryption(
  store: SessionStore,
  encrypt: NonNullable<SessionOptions['encrypt']>,
  logger: SessionLogger,
): SessionStore {
  resolveEncryption(encrypt);
  if (isEncrypted(store)) {
    throw new TypeError(
      'encrypt must not be set for a store that is an EncryptedStore: set its options as new EncryptedStore(store, { keys })',
    );
  }
  if (isCaching(store)) {
    throw new TypeError(
      'encrypt must not be set for a store that is a CachedStore, because encryption goes inside of it: write store: new CachedStore(new EncryptedStore(store, { keys }))',
    );
  }
  return new EncryptedStore(store, { ...encrypt, logger });
}
