import { setTimeout as wait } from 'node:timers/promises';
import { DEFAULT_TIMEOUT } from '../contract/deadline.js';
import { isStoreError } from '../contract/errors.js';
import { reasonIn } from '../session/conditions.js';
import type { SessionConfig } from '../session/config.js';

/** How long after a failed attempt the next one begins, in milliseconds. */
const PAUSE = 250;

/** Opens the store of an app that starts, and tries again while its backend is unreachable. */
export class StoreOpening {
  readonly #closing = new AbortController();

  constructor(private readonly config: SessionConfig) {}

  /**
   * Resolves when the app may serve: when the store is open or, with `onStoreError: 'anonymous'`, after the first
   * attempt. Then further ones follow until the store is open. Otherwise it rejects when the store's timeout is over.
   */
  async open(): Promise<void> {
    const { conditions, onStoreError, store } = this.config;
    const begun = performance.now();
    try {
      await store.open?.();
    } catch (error) {
      // Anything else is a mistake in the app, which retrying does not fix.
      if (!isStoreError(error)) throw error;
      if (onStoreError === 'anonymous') {
        conditions.begin(
          'unreachable',
          `requests are served without a session until the store can be opened: ${reasonIn(error)}`,
        );
        void this.#openLater();
        return;
      }
      await this.#openWithin(begun, error);
    }
  }

  /** Ends the attempts. */
  close(): void {
    this.#closing.abort();
  }

  async #openWithin(begun: number, first: unknown): Promise<void> {
    const { logger, store } = this.config;
    // A store of another copy of this package may not say.
    const timeout = Number.isFinite(store.timeout) ? store.timeout : DEFAULT_TIMEOUT;
    const isOver = (): boolean => performance.now() + PAUSE >= begun + timeout;
    if (isOver()) throw first;
    logger.warn(`the store could not be opened and is retried for ${timeout} ms: ${reasonIn(first)}`);
    for (;;) {
      await wait(PAUSE, undefined, { signal: this.#closing.signal });
      try {
        return await store.open();
      } catch (error) {
        if (isOver() || !isStoreError(error)) throw error;
      }
    }
  }

  async #openLater(): Promise<void> {
    const { conditions, logger, store } = this.config;
    for (;;) {
      try {
        // Nothing is lost if the process ends before.
        await wait(PAUSE, undefined, { signal: this.#closing.signal, ref: false });
        await store.open();
        return conditions.end('unreachable');
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        if (!isStoreError(error)) return logger.error('the store cannot be opened', error);
      }
    }
  }
}
