import type { Calls } from './calls.js';

/** Whether no commit runs, one runs, or one has failed. */
type State =
  | { readonly is: 'idle' }
  | { readonly is: 'running'; readonly done: Promise<void> }
  | { readonly is: 'failed'; readonly error: unknown };

const IDLE: State = { is: 'idle' };

/** Something that a commit must send to the store. */
export type Due = () => Promise<unknown>;

/** The commits of one unit of work: one at a time, after the handler's calls, and none after a failed one. */
export class Commits {
  #state: State = IDLE;

  /** The error of the failed commit. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#state.is === 'failed' ? this.#state : undefined;
  }

  /**
   * Sends what is due once the calls in flight have settled. Returns `undefined` if there is nothing to wait for.
   * During a commit, returns that commit. After a failed commit, sends nothing.
   *
   * @param due returns what must be sent now; `undefined` if nothing must. Throws if something must be sent, but cannot
   * be
   * @param counts whether the error of a call in flight fails the commit
   */
  run(
    calls: Calls,
    due: () => Due | undefined,
    counts: (error: unknown) => boolean,
  ): Promise<void> | undefined {
    // What has changed since that one began needs another.
    if (this.#state.is === 'running') return this.#state.done.then(() => this.run(calls, due, counts));
    if (this.#state.is === 'failed') return undefined;
    let now: Due | undefined;
    if (!calls.areInFlight) {
      try {
        now = due();
      } catch (error) {
        this.#state = { is: 'failed', error };
        return Promise.reject(error);
      }
      if (!now) return undefined;
    }
    const done = (now ? now() : settled(calls, due, counts)).then(
      () => {
        this.#state = IDLE;
        calls.passed(done);
      },
      (error: unknown) => {
        this.#state = { is: 'failed', error };
        calls.passed(done);
        throw error;
      },
    );
    this.#state = { is: 'running', done };
    // Later calls run after it, unless the commit itself must wait for calls.
    if (now) calls.follow(done);
    return done;
  }
}

async function settled(
  calls: Calls,
  due: () => Due | undefined,
  counts: (error: unknown) => boolean,
): Promise<void> {
  await calls.settle(counts);
  const late = due();
  if (late) await calls.run(late);
}
