/** How long a store waits for its backend by default, in milliseconds. */
export const DEFAULT_TIMEOUT = 2000;

/** Instead of a timeout: the store has no deadline, because the store that it calls has one. */
export const NO_DEADLINE = Symbol('no deadline');

/** The time limit of one call to a backend. Once it is over, nothing more may be started for the call. */
export class Deadline {
  /** When the call began, by `performance.now()`. */
  readonly begun = performance.now();
  /** Called when the time is over and the call has not settled. Cancels work in progress. */
  whenOver: (() => void) | undefined;
  /** The advice in the error of a timeout. Default: the advice of the store. */
  advice: string | undefined;

  /** @param timeout how long the call may take, in milliseconds; `Infinity` for no limit */
  constructor(readonly timeout: number) {}

  /** Milliseconds until the time is over, 0 or less after that. */
  get left(): number {
    return this.begun + this.timeout - performance.now();
  }

  get isOver(): boolean {
    return this.left <= 0;
  }
}

interface Pending {
  readonly deadline: Deadline;
  reject(): void;
  before?: Pending | undefined;
  after?: Pending | undefined;
}

/**
 * The pending calls of one store. All of them have the same timeout, so they time out in the order in which they began,
 * and one timer serves them all: a timer for each costs a tenth of a call to the cluster's primary.
 *
 * A list instead of a `Set`: V8 links each outgrown table of a `Set` to the next one, so that once a table is old, all
 * calls of the later tables outlive many garbage collections, with their arguments. With 32 calls in flight to the
 * cluster's primary that took a fifth of the worker's time.
 */
export class Deadlines {
  #first: Pending | undefined;
  #last: Pending | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly timeout: number) {}

  /**
   * Settles as `work` does, or rejects with `late` when the time is over, whichever comes first. A later result of `work`
   * is ignored, even a rejection. A value that is not a promise is returned as it is.
   */
  run<T>(
    work: (deadline: Deadline) => T | PromiseLike<T>,
    late: (deadline: Deadline) => Error,
  ): T | PromiseLike<T> {
    const deadline = new Deadline(this.timeout);
    const result = work(deadline);
    if (!isPromise(result) || this.timeout === Infinity) return result;
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = {
        deadline,
        reject() {
          reject(late(deadline));
          deadline.whenOver?.();
        },
      };
      this.#add(pending);
      result.then(
        (value) => {
          this.#remove(pending);
          resolve(value);
        },
        (error: unknown) => {
          this.#remove(pending);
          reject(error);
        },
      );
    });
  }

  #add(pending: Pending): void {
    if (!this.#first) this.#timer?.ref();
    pending.before = this.#last;
    if (this.#last) this.#last.after = pending;
    else this.#first = pending;
    this.#last = pending;
    this.#timer ??= this.#wakeIn(pending.deadline.left);
  }

  /** Does nothing if it has been removed. */
  #remove(pending: Pending): void {
    const { before, after } = pending;
    if (!before && this.#first !== pending) return;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    pending.before = pending.after = undefined;
    // A timer without pending calls must not keep the process alive.
    if (!this.#first) this.#timer?.unref();
  }

  #wakeIn(milliseconds: number): NodeJS.Timeout {
    // A turn later: a process that was busy or stopped first reads the responses that came in meanwhile.
    return setTimeout(() => setImmediate(() => this.#rejectLate()), Math.max(1, Math.ceil(milliseconds)));
  }

  #rejectLate(): void {
    this.#timer = undefined;
    while (this.#first?.deadline.isOver) {
      const late = this.#first;
      this.#remove(late);
      late.reject();
    }
    if (this.#first) this.#timer ??= this.#wakeIn(this.#first.deadline.left);
  }
}

/** Whether a result is yet to come. */
export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined)?.then === 'function';
}

/** The `timeout` option of a store. Default {@link DEFAULT_TIMEOUT}. Throws a `TypeError` if it is not a duration. */
export function checkTimeout(timeout: number = DEFAULT_TIMEOUT): number {
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > 2 ** 31 - 1) {
    throw new TypeError('timeout must be a whole number of milliseconds from 1 to 2147483647');
  }
  return timeout;
}
