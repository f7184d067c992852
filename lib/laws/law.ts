import type { SessionStore } from '../contract/store.js';

/** One named guarantee that every store must keep. */
export interface SessionStoreLaw {
  /** A sentence that starts with the number of the guarantee it belongs to. */
  name: string;
  /**
   * Rejects, saying which promise was broken and how, when the stores break the law.
   *
   * Takes two opened stores on one backend, in an empty namespace of this law's own (a prefix, a collection, a
   * name). The caller makes and closes both, so laws can run side by side on a shared server.
   */
  holds(stores: readonly [SessionStore, SessionStore]): Promise<void>;
}
