import type { SessionFeedEvent, SessionFeedListener, SessionWatch } from '../contract/feed.js';
import type { SessionStore } from '../contract/store.js';
import { reasonIn } from './conditions.js';
import type { SessionLogger } from './logger.js';

/** A store that may have a feed. One of another copy of this package may be older, and lack `watch`. */
export type MaybeWatched = Partial<Pick<SessionStore, 'watch' | 'capabilities'>>;

/** How long a feed is followed after the last connection has closed, in milliseconds. Reopening it costs a connection. */
const LINGER = 30_000;

/** How long after a failed attempt to watch the next one begins, in milliseconds. */
const RETRY = 1_000;

/** How long a feed may be lost before that is logged, in milliseconds. */
const LOST_FOR = 10_000;

const CONSEQUENCE = 'Open streams and sockets are only closed when they are rechecked';

/** Follows the feed of a store, if it has one, while connections are open. */
export class FollowedFeed {
  isLive = false;
  readonly #store: MaybeWatched;
  readonly #logger: SessionLogger;
  readonly #listener: SessionFeedListener;
  /** The watch, from the attempt to begin it on. `current` once it has begun. */
  #watch: { current?: SessionWatch } | undefined;
  #resting: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #losing: NodeJS.Timeout | undefined;
  #isFailing = false;

  constructor(store: MaybeWatched, logger: SessionLogger, listener: SessionFeedListener) {
    this.#store = store;
    this.#logger = logger;
    this.#listener = listener;
  }

  /** Begins to follow the feed, unless it is followed. If it cannot be, tries again. */
  follow(): void {
    clearTimeout(this.#resting);
    // The app has closed its store, and perhaps opened it again.
    if (this.#watch?.current?.isClosed) this.#watch = undefined;
    if (this.#watch || !this.#store.watch || this.#store.capabilities?.feed !== true) return;
    clearTimeout(this.#retry);
    const watch: { current?: SessionWatch } = {};
    this.#watch = watch;
    this.#store
      .watch((event) => {
        if (this.#watch === watch) this.#hear(event);
      })
      .then(
        (begun) => {
          this.#isFailing = false;
          if (this.#watch === watch) watch.current = begun;
          else begun.close();
        },
        (error: unknown) => {
          if (this.#watch === watch) this.#failed(error);
        },
      );
  }

  /** Stops following the feed in {@link LINGER}, unless `follow` is called before. */
  rest(): void {
    clearTimeout(this.#resting);
    clearTimeout(this.#retry);
    if (this.#watch) this.#resting = setTimeout(() => this.close(), LINGER).unref();
  }

  close(): void {
    for (const timer of [this.#resting, this.#retry, this.#losing]) clearTimeout(timer);
    this.#watch?.current?.close();
    this.#watch = undefined;
    this.isLive = false;
  }

  #failed(error: unknown): void {
    this.#watch = undefined;
    this.#retry = setTimeout(() => this.follow(), RETRY).unref();
    if (!this.#isFailing) {
      this.#logger.warn(`the store's feed cannot be followed: ${reasonIn(error)}. ${CONSEQUENCE}`);
    }
    this.#isFailing = true;
  }

  #hear(event: SessionFeedEvent): void {
    if (event.type === 'live') {
      this.isLive = true;
      clearTimeout(this.#losing);
    } else if (event.type === 'lost') {
      this.isLive = false;
      this.#losing = setTimeout(() => {
        this.#logger.warn(
          `the store's feed has been lost for ${LOST_FOR / 1000} s: ${event.reason}. ${CONSEQUENCE}`,
        );
      }, LOST_FOR).unref();
    }
    this.#listener(event);
  }
}
