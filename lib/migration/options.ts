import { checkFlag, checkLifetime, checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import { isExpressStore, isSessionStore } from '../contract/shapes.js';
import type { SessionStore } from '../contract/store.js';

/** The option `migrateFrom` of the session layer. */
export interface SessionMigrateOptions {
  /** Where the sessions are until they move: a store of this package, or `fromExpressStore(…)` of another one. Required. */
  store: SessionStore;
  /**
   * Whether a session moves when it is used. Deploy `false` to every process first: it uses sessions wherever they are, and
   * creates new ones in the old store. Then deploy `true`. Required.
   */
  move: boolean;
  /**
   * The groups of a session in an express-session store, by its data. Without it such sessions are in no group before they
   * move or when they move, and calls about a group reject.
   */
  groupsOf?: ((data: Record<string, unknown>) => readonly string[]) | undefined;
}

/** The options of a {@link MigratingStore}. */
export interface MigratingStoreOptions extends SessionMigrateOptions {
  /** How long a session lives after it has moved if the old store does not say, in milliseconds; default 24 h. */
  idleTimeout?: number | undefined;
  /** Where warnings are logged; default `console`. */
  logger?: { warn(message: string): void } | undefined;
}

/** The options after checks and defaults. */
export type Migration = Required<Omit<MigratingStoreOptions, 'groupsOf'>> &
  Pick<MigratingStoreOptions, 'groupsOf'>;

const OPTIONS = 'store, move, groupsOf';
const EXAMPLE = 'migrateFrom: { store: fromExpressStore(oldStore), move: false }';
const DAY = 24 * 60 * 60_000;

/** Checks the options of a migration to `target`. Throws a `TypeError` that says what to write instead. */
export function resolveMigration(options: unknown, target: SessionStore): Migration {
  if (options === undefined) throw new TypeError(`a migration needs options: write ${EXAMPLE}`);
  checkOptionsObject('migrateFrom', options, EXAMPLE);
  const {
    store,
    move,
    groupsOf,
    idleTimeout = DAY,
    logger = console,
    ...others
  } = options as MigratingStoreOptions;
  checkNoOthers('migrateFrom', others, OPTIONS);
  checkSource(store, target);
  checkFlag('migrateFrom.move', move);
  if (move === undefined) {
    throw new TypeError(
      'migrateFrom.move is required: write false until every process runs with migrateFrom, and then true',
    );
  }
  if (groupsOf !== undefined && typeof groupsOf !== 'function') {
    throw new TypeError(
      'migrateFrom.groupsOf must be a function that returns names of groups: write groupsOf: (data) => [`user:${data.userId}`]',
    );
  }
  if (groupsOf && store.capabilities.secrets) {
    throw new TypeError(
      'migrateFrom.groupsOf is only for express-session stores. Leave it out: the sessions of this store move with their groups',
    );
  }
  const lifetime = checkLifetime('idleTimeout', idleTimeout, 'leave it out for 24 hours');
  return { store, move, groupsOf, idleTimeout: lifetime, logger };
}

function checkSource(store: unknown, target: SessionStore): void {
  if (store === undefined) throw new TypeError(`migrateFrom.store is required: write ${EXAMPLE}`);
  if (!isSessionStore(store)) {
    throw new TypeError(
      isExpressStore(store)
        ? 'migrateFrom.store must not be a store for express-session: write store: fromExpressStore(store), from nestjs-session-stores/stores/express'
        : 'migrateFrom.store must be a store: write new RedisStore({ url }), or fromExpressStore(store) for one of express-session',
    );
  }
  if (store === target) {
    throw new TypeError(
      'migrateFrom.store must not be the store to which the sessions move: write the store that they leave',
    );
  }
  if (!target.capabilities.secrets) {
    throw new TypeError(
      'sessions cannot move to an express-session store, because it keeps neither secrets nor groups. Use a store of this package',
    );
  }
}
