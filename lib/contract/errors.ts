import { brand, isBranded } from './brand.js';

/**
 * A call to a store failed: its backend is unreachable or slow, or rejected the call. Shaped as an HTTP 503 whose
 * message must not reach the client.
 */
export class SessionStoreError extends Error {
  override readonly name = 'SessionStoreError';
  readonly status = 503;
  readonly statusCode = 503;
  /** The message is not for the client. */
  readonly expose = false;

  static {
    brand(this, 'SessionStoreError');
  }

  /**
   * @param store the store's word: `cluster`, `redis`, …
   * @param operation what was called: `read`, `update`, …
   * @param problem what happened and what to do about it; no address, no secret, no session data
   * @param options the driver's own error as `cause`
   */
  constructor(
    readonly store: string,
    readonly operation: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`[session:${store}] ${operation}: ${problem}`, options);
  }
}

/** The session was destroyed or expired while a request was working on it, so its changes were not saved. */
export class SessionGoneError extends Error {
  override readonly name = 'SessionGoneError';
  readonly status = 401;
  readonly statusCode = 401;
  readonly expose = true;

  static {
    brand(this, 'SessionGoneError');
  }

  constructor(operation: string) {
    super(
      `${operation}: the session was destroyed or has expired meanwhile, so nothing was saved. Log in again`,
    );
  }
}

/**
 * A session would be larger than `maxSize` or another bound, or than its store's backend can hold. Nothing of the
 * change was saved.
 * Trying again does not help, so it is shaped as an HTTP 500 whose message must not reach the client.
 */
export class SessionTooLargeError extends Error {
  override readonly name = 'SessionTooLargeError';
  readonly status = 500;
  readonly statusCode = 500;
  /** The message is not for the client. */
  readonly expose = false;
  /** How many bytes the data and the groups would take. `undefined` unless they exceed `maxSize`. */
  readonly size: number | undefined;
  /** How many bytes they may take: the option `maxSize`. `undefined` unless they exceed it. */
  readonly maxSize: number | undefined;

  static {
    brand(this, 'SessionTooLargeError');
  }

  /**
   * @param problem what happened, without session data. What to do about it is added
   * @param options the size and the limit in bytes, if they are known, what to do instead of the default, and the
   *   driver's own error as `cause`
   */
  constructor(
    problem: string,
    {
      size,
      maxSize,
      advice = 'Keep large data elsewhere and its key in the session',
      ...options
    }: ErrorOptions & { size?: number; maxSize?: number; advice?: string } = {},
  ) {
    super(`${problem}. ${advice}`, options);
    this.size = size;
    this.maxSize = maxSize;
  }
}

/** Marks the errors of creates whose id is in use. */
const IN_USE = Symbol.for('nestjs-session-stores/id-in-use');

/** A session cannot be created, because its id is in use, or was until less than ten minutes ago. */
export class IdInUseError extends SessionStoreError {
  readonly [IN_USE] = true;

  constructor(store: string, operation: 'create' | 'adopt' = 'create') {
    super(
      store,
      operation,
      'the id is in use by another session, or was until less than ten minutes ago. Make genid return unique ids',
    );
  }
}

/** A call to a store that is not open. */
export class NotOpenError extends SessionStoreError {
  constructor(store: string, operation: string) {
    super(store, operation, 'the store is not open. Call open() first');
  }
}

/** The error of a store whose backend cannot hold a session. `limit` is what the session is larger than. */
export function tooLarge(
  store: string,
  operation: string,
  limit: string,
  cause: unknown,
): SessionTooLargeError {
  return new SessionTooLargeError(`[session:${store}] ${operation}: the session is larger than ${limit}`, {
    cause,
  });
}

/** Whether an error is a store's, from any copy of this package. */
export function isStoreError(error: unknown): error is SessionStoreError {
  return isBranded(error, 'SessionStoreError');
}

/** Whether an error says that an id is in use, from any copy of this package. */
export function isIdInUse(error: unknown): boolean {
  return isStoreError(error) && Reflect.get(error, IN_USE) === true;
}

/** Whether an error says that the session is gone, from any copy of this package. */
export function isGoneError(error: unknown): error is SessionGoneError {
  return isBranded(error, 'SessionGoneError');
}

/** Whether an error says that a session is too large, from any copy of this package. */
export function isTooLargeError(error: unknown): error is SessionTooLargeError {
  return isBranded(error, 'SessionTooLargeError');
}
