import type { SessionStoreOperation } from '../../contract/capabilities.js';
import { SessionStoreError } from '../../contract/errors.js';

/** The error of a call for an error of the store. */
export function failed(storeName: string, operation: SessionStoreOperation, cause: unknown): Error {
  if (cause instanceof CannotError) return cause;
  return new SessionStoreError(storeName, operation, 'the store failed. Its error is the cause', { cause });
}

/** The error of something that no express-session store can do, or not this one. */
export function cannot(storeName: string, what: string): Error {
  return new CannotError(
    `[session:${storeName}] an express-session store cannot ${what}. RedisStore, MongoStore, HazelcastStore and ClusterStore of nestjs-session-stores/stores/* can`,
  );
}

class CannotError extends Error {
  override readonly name = 'Error';
}
