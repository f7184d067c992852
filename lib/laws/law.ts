import type { SessionStore } from '../contract/store.js';

/** One named guarantee that every store must keep. */
export interface SessionStoreLaw {
  /** A sentence that starts with the number of its guarantee. */
  name: string;
  /**
   * Rejects if the stores break the law, with an error that says which promise was broken and how.
   *
   * @param stores two opened stores on one backend, in an empty namespace (prefix, collection or name) for this law
   * only. The caller opens and closes them, so laws can run in parallel on a shared server.
   */
  holds(stores: readonly [SessionStore, SessionStore]): Promise<void>;
}
