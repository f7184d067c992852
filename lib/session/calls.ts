import { isStoreError } from '../contract/errors.js';

/** The handler's calls that have not settled. They run one after another, awaited by the handler or not. */
export class Calls {
  #inFlight: Set<Promise<unknown>> | undefined;
  #last: Promise<unknown> | undefined;
  /** Whether one has failed because the store failed. */
  storeHasFailed = false;

  /** Whether any have not settled. */
  get areInFlight(): boolean {
    return this.#inFlight !== undefined && this.#inFlight.size > 0;
  }

  /** Runs `work` after the calls before it. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last ? this.#last.then(work, work) : work();
    this.#last = result;
    this.track(result);
    return result;
  }

  /** Counts `work` as a call in flight, for which the others do not wait. */
  track(work: Promise<unknown>): void {
    const inFlight = (this.#inFlight ??= new Set());
    inFlight.add(work);
    const done = (): void => {
      inFlight.delete(work);
      this.passed(work);
    };
    work.then(done, (error: unknown) => {
      if (isStoreError(error)) this.storeHasFailed = true;
      done();
    });
  }

  /** Makes later calls wait for `work`, which is not a call itself. */
  follow(work: Promise<unknown>): void {
    this.#last = work;
  }

  /** Ends the wait for `work`, if no other call has come after it. */
  passed(work: Promise<unknown>): void {
    if (this.#last === work) this.#last = undefined;
  }

  /** Waits for the calls in flight. Rejects with the first error that counts. */
  async settle(counts: (error: unknown) => boolean): Promise<void> {
    while (this.areInFlight) {
      for (const outcome of await Promise.allSettled(this.#inFlight!)) {
        if (outcome.status === 'rejected' && counts(outcome.reason)) throw outcome.reason;
      }
    }
  }
}
