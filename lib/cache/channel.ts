import { channel } from 'node:diagnostics_channel';

/** The name of the channel of `node:diagnostics_channel` on which caches report. */
export const CACHE_CHANNEL = 'nestjs-session-stores:cache';

/**
 * Why a session is read from the store: it is not in the cache, it has expired, it was cached for longer than `maxAge`, or
 * the feed is not heard at the moment.
 */
export type SessionCacheMiss = 'absent' | 'expired' | 'too old' | 'not fresh';

/** What a cache reports on the channel `nestjs-session-stores:cache`. */
export type SessionCacheMessage =
  | {
      readonly type: 'hit';
      readonly id: string;
      /** How long ago the newest answered probe of the feed was sent, in milliseconds. */
      readonly lag: number;
    }
  | {
      readonly type: 'miss';
      readonly id: string;
      readonly reason: SessionCacheMiss;
      /** As in `hit`; `Infinity` while the feed is lost. */
      readonly lag: number;
    }
  | {
      readonly type: 'invalidated';
      /** The session that was removed; `undefined` for all of them. */
      readonly id: string | undefined;
      /** An event of the feed, or a write by this process. */
      readonly by: 'feed' | 'write';
    }
  /** The feed was lost, and the cache emptied. */
  | { readonly type: 'lost'; readonly reason: string }
  /** The feed is heard, and the cache is filled from now on. */
  | { readonly type: 'live' };

const messages = channel(CACHE_CHANNEL);

/** Publishes the result of `message`, which is only called if the channel has subscribers. */
export function report(message: () => SessionCacheMessage): void {
  if (messages.hasSubscribers) messages.publish(message());
}
