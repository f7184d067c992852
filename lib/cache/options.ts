import { checkFlag, checkLifetime, checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import type { RecordLimits } from './records.js';

/** The limits of a {@link CachedStore}. */
export interface CachedStoreOptions {
  /** How many sessions are cached at most; default 10 000. */
  maxSessions?: number | undefined;
  /** How long the texts of the cached sessions are at most, in UTF-16 units; default 67 108 864 (64 MiB). */
  maxBytes?: number | undefined;
  /** How long a session is cached at most, in milliseconds; default `Infinity`, no limit. */
  maxAge?: number | undefined;
}

/** The option `cache` of the session layer. */
export interface SessionCacheOptions extends CachedStoreOptions {
  /** Whether sockets, `@Sse()` streams and GraphQL over WebSocket use the cache too; default `false`. */
  sockets?: boolean | undefined;
}

const LIMITS = 'maxSessions, maxBytes, maxAge';

const MAX_SESSIONS = 10_000;

/** Enough for sessions of 6 kB. A session may have 1 MiB, of which `maxSessions` would be 10 GiB. */
const MAX_BYTES = 2 ** 26;

/**
 * What bounds how stale a session may be is the feed, not its age: all that is written through the contract is announced. A
 * limit would cost a read per session whenever it is over.
 */
const MAX_AGE = Infinity;

/** Checks the options of a cached store, and adds defaults. Throws a `TypeError` that says what to write instead. */
export function resolveLimits(options: CachedStoreOptions = {}): RecordLimits {
  checkOptionsObject('CachedStore', options, '{ maxSessions: 10_000 }');
  const { maxSessions = MAX_SESSIONS, maxBytes = MAX_BYTES, maxAge = MAX_AGE, ...others } = options;
  checkNoOthers('CachedStore', others, LIMITS);
  if (!isCount(maxSessions)) {
    throw new TypeError('maxSessions must be a positive integer: write 10_000');
  }
  if (maxBytes !== Infinity && !isCount(maxBytes)) {
    throw new TypeError('maxBytes must be a positive integer: write Infinity for no limit');
  }
  checkLifetime('maxAge', maxAge, 'write Infinity for no limit');
  return { maxSessions, maxBytes, maxAge };
}

/**
 * Checks the option `cache`. Returns `undefined` if there is to be no cache. Throws a `TypeError` that says what to write
 * instead.
 */
export function resolveCache(cache: unknown): { limits: RecordLimits; sockets: boolean } | undefined {
  if (cache === undefined || cache === false) return undefined;
  if (cache !== true && (typeof cache !== 'object' || cache === null)) {
    throw new TypeError('cache must be true, false or an object: write cache: { maxSessions: 10_000 }');
  }
  const { sockets, maxSessions, maxBytes, maxAge, ...others } = (
    cache === true ? {} : cache
  ) as SessionCacheOptions;
  checkNoOthers('cache', others, `${LIMITS}, sockets`);
  checkFlag('cache.sockets', sockets);
  return { limits: resolveLimits({ maxSessions, maxBytes, maxAge }), sockets: sockets === true };
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
