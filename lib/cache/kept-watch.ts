import type { SessionFeedListener, SessionWatch } from '../contract/feed.js';
import type { SessionStore } from '../contract/store.js';

/** How long after a failed attempt to watch the next one begins, in milliseconds. */
const PAUSE = 500;

const UNWATCHED =
  'the feed of the session store cannot be watched, so all sessions are read from the store until it can. The error is the cause';

/** A watch of a store that is begun again until it succeeds. */
export class KeptWatch {
  readonly #store: SessionStore;
  readonly #listener: SessionFeedListener;
  #state: { is: 'beginning' } | { is: 'watching'; watch: SessionWatch } | { is: 'closed' } = {
    is: 'beginning',
  };
  #hasFailed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: SessionStore, listener: SessionFeedListener) {
    this.#store = store;
    this.#listener = listener;
  }

  /** As in {@link SessionWatch}; `-Infinity` while there is no watch. */
  get completeUntil(): number {
    return this.#state.is === 'watching' ? this.#state.watch.completeUntil : -Infinity;
  }

  /** Resolves after the first attempt. If that fails, further ones follow, and a warning of the process says so. */
  async begin(): Promise<void> {
    try {
      const watch = await this.#store.watch((event) => {
        if (this.#state.is !== 'closed') this.#listener(event);
      });
      if (this.#state.is === 'closed') return watch.close();
      this.#state = { is: 'watching', watch };
    } catch (cause) {
      if (this.#state.is === 'closed') return;
      if (!this.#hasFailed) process.emitWarning(new Error(UNWATCHED, { cause }));
      this.#hasFailed = true;
      this.#timer = setTimeout(() => void this.begin(), PAUSE).unref();
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    if (this.#state.is === 'watching') this.#state.watch.close();
    this.#state = { is: 'closed' };
  }
}
