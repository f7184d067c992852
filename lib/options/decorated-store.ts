import { checkNoOthers } from '../contract/option-checks.js';
import type { SessionStore } from '../contract/store.js';
import { resolveEncryption, type EncryptedStoreOptions } from '../encryption/options.js';
import { EncryptedStore, isEncrypted } from '../encryption/store.js';
import type { MigratingStoreOptions } from '../migration/options.js';
import { isMigrating, MigratingStore, type SessionMigration } from '../migration/store.js';
import type { SessionLogger } from '../session/logger.js';
import { isCaching, withCache } from './cached-store.js';
import type { SessionOptions } from './options.js';

export type { SessionMigration };

/** The options that put a decorator around the store. */
export type DecoratorOptions = Pick<
  SessionOptions,
  'encrypt' | 'migrateFrom' | 'cache' | 'idleTimeout' | 'logIds'
>;

/**
 * The store with the decorators of the options: the cache goes around the migration, and that around the encryption. Throws
 * a `TypeError` for invalid options, and for a store that has the decorator already.
 */
export function withDecorators(
  store: SessionStore,
  { encrypt, migrateFrom, cache, idleTimeout, logIds }: DecoratorOptions,
  logger: SessionLogger,
): SessionStore {
  const sealed = encrypt === undefined ? store : withEncryption(store, encrypt, { logger, logIds });
  checkMigrateFrom(migrateFrom);
  const whole =
    migrateFrom === undefined ? sealed : withMigration(sealed, { ...migrateFrom, idleTimeout }, logger);
  return withCache(whole, cache);
}

/** The migration of a store, which may be inside of decorators; `undefined` if there is none. */
export function migrationOf(store: SessionStore): MigratingStore | undefined {
  let inner: unknown = store;
  while (inner !== undefined && !isMigrating(inner)) inner = (inner as { inner?: unknown }).inner;
  return inner;
}

function withMigration(
  store: SessionStore,
  options: NonNullable<SessionOptions['migrateFrom']> & Pick<SessionOptions, 'idleTimeout'>,
  logger: SessionLogger,
): SessionStore {
  if (isMigrating(store)) {
    throw new TypeError(
      'migrateFrom must not be set for a store that is a MigratingStore: set its options as new MigratingStore(store, { store: oldStore, move })',
    );
  }
  if (isCaching(store)) {
    throw new TypeError(
      'migrateFrom must not be set for a store that is a CachedStore, because the migration goes inside of it: write store: new CachedStore(new MigratingStore(store, { store: oldStore, move }))',
    );
  }
  return new MigratingStore(store, { ...options, logger });
}

/** Options of a `MigratingStore` that the session layer sets. They would silently be replaced. */
function checkMigrateFrom(migrateFrom: unknown): void {
  const { idleTimeout, logger } = Object(migrateFrom) as MigratingStoreOptions;
  checkNoOthers('migrateFrom', { idleTimeout, logger }, 'store, move, groupsOf', {
    idleTimeout: 'Write idleTimeout beside migrateFrom',
    logger: 'Write logger beside migrateFrom',
  });
}

function withEncryption(
  store: SessionStore,
  encrypt: NonNullable<SessionOptions['encrypt']>,
  log: Pick<EncryptedStoreOptions, 'logger' | 'logIds'>,
): SessionStore {
  resolveEncryption(encrypt);
  if (isEncrypted(store)) {
    throw new TypeError(
      'encrypt must not be set for a store that is an EncryptedStore: set its options as new EncryptedStore(store, { keys })',
    );
  }
  if (isMigrating(store)) {
    throw new TypeError(
      'encrypt must not be set for a store that is a MigratingStore, because encryption goes inside of it: write store: new MigratingStore(new EncryptedStore(store, { keys }), { store: oldStore, move })',
    );
  }
  if (isCaching(store)) {
    throw new TypeError(
      'encrypt must not be set for a store that is a CachedStore, because encryption goes inside of it: write store: new CachedStore(new EncryptedStore(store, { keys }))',
    );
  }
  return new EncryptedStore(store, { ...encrypt, ...log });
}
