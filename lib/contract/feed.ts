/** What a watcher of a store hears about its sessions. */
export type SessionFeedEvent =
  | {
      /**
       * - `ended`: the sessions were destroyed, cleared, regenerated, or given an expiry in the past. Natural expiry may
       *   be announced too, and late.
       * - `rotated`: their secret was replaced.
       * - `changed`: anything else; of a store whose feed is not exact, even an end. A new session
       *   is not announced, and neither need be an expiry that a `touch` moved forward.
       */
      readonly type: 'changed' | 'rotated' | 'ended';
      readonly ids: readonly string[];
    }
  /** Something may have been missed: forget what you know. `reason` is one sentence. */
  | { readonly type: 'lost'; readonly reason: string }
  /** From now on everything is announced. The first event, and the one after each `lost`. */
  | { readonly type: 'live' };

/**
 * The feed of a store as this process hears it.
 *
 * - `live`: every change is announced.
 * - `lost`: it was interrupted, or has not begun yet.
 * - `unwatched`: nothing in this process needs it at the moment.
 */
export type SessionFeedState = 'live' | 'lost' | 'unwatched';

/** Called with each event. Must not block. Its first error, or rejection, becomes a warning of the process. */
export type SessionFeedListener = (event: SessionFeedEvent) => void;

/** A listener's place at the feed of a store. */
export interface SessionWatch {
  /**
   * Everything that was acknowledged before this instant of `performance.now()` has been heard. `-Infinity` after `lost`.
   * It is the instant at which the newest answered probe was sent. Compare it with the clock at every use: a process that
   * was stopped finds it in the past, whatever it received meanwhile. So does one whose machine was suspended, although
   * `performance.now()` stood still: it is moved back by as much as `Date.now()` has jumped ahead since the probe.
   */
  readonly completeUntil: number;
  /** Whether it hears nothing any more: it was closed, or its store was. */
  readonly isClosed: boolean;
  /** Stops listening. */
  close(): void;
}

/** What a source reports. Ignored once the source is closed. */
export interface SessionFeedSink {
  heard(type: 'changed' | 'rotated' | 'ended', ids: readonly string[]): void;
  /** Something was missed, or may have been. The source is closed, and another one is opened. */
  lost(reason: string): void;
}

/** The origin of a store's events while the store has watchers. */
export interface SessionFeedSource {
  /**
   * Resolves once the sink has heard everything that was acknowledged before the call. Rejects if something may have been
   * missed. One probe runs at a time. It is given up after `FEED_TIMEOUT`.
   */
  probe(): Promise<void>;
  close(): void;
}

/** Opens a source. Rejects if the backend is unreachable. */
export type OpenFeed = (sink: SessionFeedSink) => Promise<SessionFeedSource>;
