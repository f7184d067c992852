/**
 * A store could not do what it was asked: its backend is away, slow or refused. Shaped as an HTTP 503 that does
 * not show its message to the client.
 */
export class SessionStoreError extends Error {
  override readonly name = 'SessionStoreError';
  readonly status = 503;
  readonly statusCode = 503;
  /** Nothing of the message is meant for the client. */
  readonly expose = false;

  /**
   * @param store the store's word: `cluster`, `redis`, …
   * @param operation what was asked of it: `read`, `update`, …
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

/** The session ended while a request was working on it, so what the request changed was not saved. */
export class SessionGoneError extends Error {
  override readonly name = 'SessionGoneError';
  readonly status = 401;
  readonly statusCode = 401;
  readonly expose = true;

  constructor(operation: string) {
    super(
      `${operation}: the session has ended meanwhile (logged out, cleared or expired); nothing was saved`,
    );
  }
}

/** A session's data would be more than `maxSize` bytes, so nothing of what was to be saved was saved. */
export class SessionTooLargeError extends Error {
  override readonly name = 'SessionTooLargeError';
  readonly status = 500;
  readonly statusCode = 500;
  readonly expose = false;

  /**
   * @param size what the names and texts of the data would take, in bytes
   * @param maxSize what they may take
   * @param largest the name of the largest property
   */
  constructor(
    readonly size: number,
    readonly maxSize: number,
    largest: string,
  ) {
    super(
      `the session would have ${size} bytes and may have ${maxSize} (maxSize), its largest property being ${JSON.stringify(largest)}: keep large data elsewhere and its key in the session`,
    );
  }
}
