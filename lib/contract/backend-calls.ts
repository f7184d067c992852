import type { SessionStoreOperation } from './capabilities.js';
import { areCallsTraced, traceCall, type SessionStoreOutcome } from './diagnostics.js';
import { Deadlines, NO_DEADLINE, checkTimeout, type Deadline } from './deadline.js';
import { NotOpenError, SessionStoreError, isStoreError, isTooLargeError } from './errors.js';
import { Opening } from './opening.js';

/** The calls to a backend: when it is opened and closed, how long each may take, and the errors that they reject with. */
export abstract class BackendCalls {
  /** The store's word in errors: `redis`, `mongo`, … */
  protected readonly storeName: string;
  readonly #timeout: number;
  /** Whether its calls reach a backend, and not another store that reports them. */
  readonly #isReporting: boolean;
  readonly #deadlines: Deadlines;
  readonly #opening = new Opening();

  /**
   * @param name the store's word in errors
   * @param timeout how long a call to the backend may take, in milliseconds; default 2 000
   */
  constructor(name: string, timeout?: number | typeof NO_DEADLINE) {
    this.storeName = name;
    this.#timeout = timeout === NO_DEADLINE ? Infinity : checkTimeout(timeout);
    this.#deadlines = new Deadlines(this.#timeout);
    this.#isReporting = timeout !== NO_DEADLINE;
  }

  /** Whether this store reports its calls and sessions: a decorator does not, because the inner store does. */
  protected get isReporting(): boolean {
    return this.#isReporting;
  }

  /** How long a call to the backend may take, in milliseconds. */
  get timeout(): number {
    return this.#timeout;
  }

  /** Connects, once, however often it is called; after a failure the next call tries again. Constructors do no I/O. */
  open(): Promise<void> {
    return this.#opening.open(() => this.call('open', () => this.#connect()));
  }

  async #connect(): Promise<void> {
    try {
      await this.connect();
    } catch (error) {
      // Of both errors, the first says what is wrong.
      await this.disconnect().catch(() => {});
      throw error;
    }
  }

  /** Closes what `open` opened, never a client or connection that was passed as an option. */
  close(): Promise<void> {
    this.closing();
    return this.#opening.close(async () => {
      await this.call('close', () => this.disconnect());
      // Something may have begun meanwhile.
      this.closing();
    });
  }

  /** Ends what must not outlive the connection. */
  protected abstract closing(): void;

  /**
   * Connects to the backend. If it rejects, `disconnect` closes what was opened. Runs without a deadline: give each
   * step one with `within`. Default: nothing to do.
   */
  protected async connect(): Promise<void> {}

  /**
   * Closes what `connect` opened. Called at every `close`, also if nothing is open, and while `connect` still runs; and
   * after `connect` has failed.
   * Default: nothing to do.
   */
  protected async disconnect(): Promise<void> {}

  /** One sentence that says what to check if a call times out. */
  protected get advice(): string {
    return 'Is its backend reachable and not overloaded?';
  }

  /** The error of a call for an error of the driver. Default: a `SessionStoreError` with that error as its cause. */
  protected failure(operation: SessionStoreOperation, cause: unknown): Error {
    return new SessionStoreError(this.storeName, operation, 'the backend failed. Its error is the cause', {
      cause,
    });
  }

  /** The error of a call that timed out. `cause` is the error that delays the call, if one is known. */
  protected late(operation: SessionStoreOperation, deadline?: Deadline, cause?: unknown): SessionStoreError {
    const problem = `timed out after ${this.timeout} ms. ${deadline?.advice ?? this.advice}`;
    const options = cause === undefined ? undefined : { cause };
    const error = new SessionStoreError(this.storeName, operation, problem, options);
    timeouts.add(error);
    return error;
  }

  /** Runs every public method: the one place to count, log or trace the calls of a store. */
  protected call<T>(operation: SessionStoreOperation, work: () => T | PromiseLike<T>): Promise<T> {
    if (!this.#isReporting || !areCallsTraced()) return this.#call(operation, work);
    const message = { store: this.storeName, operation };
    return traceCall(message, () => this.#call(operation, work), outcomeOf);
  }

  async #call<T>(operation: SessionStoreOperation, work: () => T | PromiseLike<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { failure } = this.#opening;
      if (failure && error instanceof NotOpenError) {
        const problem = 'the store could not be opened. The error of open() is the cause';
        throw new SessionStoreError(error.store, operation, problem, { cause: failure.error });
      }
      // The store itself checks some arguments, such as the `after` of a page.
      const isFinal = isStoreError(error) || isTooLargeError(error) || isOfArguments(error);
      throw isFinal ? error : this.failure(operation, error);
    }
  }

  /** Runs `work` under a deadline of its own. */
  protected within<T>(
    operation: SessionStoreOperation,
    work: (deadline: Deadline) => T | PromiseLike<T>,
  ): T | PromiseLike<T> {
    return this.#deadlines.run(work, (deadline) => this.late(operation, deadline));
  }
}

/** The errors of calls that timed out. */
const timeouts = new WeakSet<Error>();

/** How a call ended that rejected with this error. */
export function outcomeOf(error: unknown): SessionStoreOutcome {
  if (timeouts.has(error as Error)) return 'timed out';
  return isStoreError(error) ? 'failed' : 'invalid';
}

/**
 * Whether an error says that an argument is invalid. `fetch` reports an unreachable server by a `TypeError` too, whose
 * cause is a system error with a code.
 */
function isOfArguments(error: unknown): boolean {
  if (!(error instanceof TypeError)) return false;
  return (error.cause as NodeJS.ErrnoException | undefined)?.code === undefined;
}
