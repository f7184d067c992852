import type { SessionFeedEvent, SessionFeedListener, SessionWatch } from '../contract/feed.js';
import type { SessionStore } from '../contract/store.js';
import { reasonIn } from './conditions.js';
import type { SessionLogger } from './logger.js';

/** A store that may have a feed. One of another copy of this package may be older, and lack `watch`. */
export type MaybeWatched = Partial<Pick<SessionStore, 'watch' | 'capabilities'>>;

/** How long a feed is followed after nobody needs it any more, in milliseconds. To begin again costs a connection. */
const LINGER = 30_000;

/** The feed of a store, if it has one, followed while somebody needs it. */
export class FollowedFeed {
  isLive = false;
  readonly #store: MaybeWatched;
  readonly #logger: SessionLogger;
  readonly #listener: SessionFeedListener;
  #watch: Promise<SessionWatch> | undefined;
  #resting: NodeJS.Timeout | undefined;
  #isFailing = false;

  constructor(store: MaybeWatched, logger: SessionLogger, listener: SessionFeedListener) {
    this.#store = store;
    this.#logger = logger;
    this.#listener = listener;
  }

  /** Begins to follow the feed, unless it is followed already. If it cannot be, the next call tries again. */
  follow(): void {
    clearTimeout(this.#resting);
    const { capabilities } = this.#store;
    if (this.#watch || !this.#store.watch || capabilities?.feed !== true) return;
    const watch = this.#store.watch((event) => this.#hear(event));
    this.#watch = watch;
    watch.then(
      () => {
        this.#isFailing = false;
      },
      (error: unknown) => {
        if (this.#watch === watch) this.#watch = undefined;
        if (this.#isFailing) return;
        this.#isFailing = true;
        this.#logger.warn(
          `the store's feed cannot be followed, so open streams and sockets are only closed when they are rechecked: ${reasonIn(error)}`,
        );
      },
    );
  }

  /** Nobody needs the feed for now. */
  rest(): void {
    clearTimeout(this.#resting);
    if (this.#watch) this.#resting = setTimeout(() => this.close(), LINGER).unref();
  }

  close(): void {
    clearTimeout(this.#resting);
    this.#watch?.then((watch) => watch.close()).catch(() => {});
    this.#watch = undefined;
    this.isLive = false;
  }

  #hear(event: SessionFeedEvent): void {
    if (event.type === 'live') this.isLive = true;
    else if (event.type === 'lost') this.isLive = false;
    this.#listener(event);
  }
}
