import { BackendCalls } from './backend-calls.js';
import type { SessionStoreCapabilities } from './capabilities.js';
import type { Deadline } from './deadline.js';
import { reportFeed } from './diagnostics.js';
import { SessionStoreError } from './errors.js';
import type {
  SessionFeedListener,
  SessionFeedSink,
  SessionFeedSource,
  SessionFeedState,
  SessionWatch,
} from './feed.js';
import { SharedFeed } from './shared-feed.js';

const ALL_CAPABILITIES: SessionStoreCapabilities = Object.freeze({
  secrets: true,
  createdAt: true,
  feed: 'it does not announce changes',
});

/** The feed of a store: whether it has one, and the source that its watchers share. */
export abstract class FeedCalls extends BackendCalls {
  readonly #feed = new SharedFeed(
    (sink) => this.#openFeed(sink),
    () => new SessionStoreError(this.storeName, 'watch', 'the store was closed'),
    (event) => reportFeed(() => ({ ...event, store: this.storeName })),
  );

  /** What this store can do that not every store can. */
  get capabilities(): SessionStoreCapabilities {
    return ALL_CAPABILITIES;
  }

  /** The state of the feed of this store in this process. */
  get feedState(): SessionFeedState {
    return this.#feed.state;
  }

  protected override closing(): void {
    this.#feed.close();
  }

  /** Watches the feed, after `checkWatch`. */
  protected listen(listener: SessionFeedListener): Promise<SessionWatch> {
    this.checkWatch(listener);
    return this.#feed.watch(listener);
  }

  /** Throws for a listener that is not a function, and if the store has no feed. */
  protected checkWatch(listener: SessionFeedListener): void {
    if (typeof listener !== 'function') {
      throw new TypeError('watch needs a function that is called with each event: write watch((event) => …)');
    }
    const { feed } = this.capabilities;
    if (feed !== true) throw new SessionStoreError(this.storeName, 'watch', `the store has no feed: ${feed}`);
  }

  /**
   * Opens the source of the feed, for the first watcher and after each `lost`. Called only if `capabilities.feed` is
   * `true`. What was acknowledged before the first probe need not be announced.
   */
  protected async doWatch(_sink: SessionFeedSink, _deadline: Deadline): Promise<SessionFeedSource> {
    throw new Error('a store whose capabilities include a feed must implement doWatch');
  }

  async #openFeed(sink: SessionFeedSink): Promise<SessionFeedSource> {
    return this.within('watch', async (deadline) => {
      const source = await this.doWatch(sink, deadline);
      if (!deadline.isOver) return source;
      source.close();
      throw this.late('watch', deadline);
    });
  }
}
