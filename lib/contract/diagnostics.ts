import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { SessionStoreOperation } from './capabilities.js';

// Channels are found by their names, so that subscribers hear every copy of this package in the process.

/** The name of the tracing channel of `node:diagnostics_channel` on which stores report their calls. */
export const STORE_CHANNEL = 'nestjs-session-stores:store';

/** The name of the channel on which stores report what happened to sessions. */
export const SESSION_CHANNEL = 'nestjs-session-stores:session';

/** The name of the channel on which stores report the state of their feeds. */
export const FEED_CHANNEL = 'nestjs-session-stores:feed';

/**
 * How a call to a store ended.
 *
 * - `done`: it resolved.
 * - `timed out`: the backend did not respond within `timeout`.
 * - `failed`: the backend is unreachable, or rejected the call.
 * - `invalid`: an argument was malformed, or the session too large.
 */
export type SessionStoreOutcome = 'done' | 'timed out' | 'failed' | 'invalid';

/** A call to a store, as the tracing channel `nestjs-session-stores:store` reports it. It has no result. */
export interface SessionStoreMessage {
  /** The store's word: `cluster`, `redis`, … */
  readonly store: string;
  readonly operation: SessionStoreOperation;
  /** How the call ended. Absent until it has. */
  outcome?: SessionStoreOutcome;
  /** How long the call took, in milliseconds. Absent until it has ended. */
  duration?: number;
  /** The error that the call rejects with. Its cause is the driver's, which may contain an address. */
  error?: unknown;
}

/**
 * What stores and the session layer report on the channel `nestjs-session-stores:session`, by this process. `id` is that of
 * the session, or its SHA-256 (base64url) for a store whose ids are credentials. `store` is the store's word.
 */
export type SessionMessage =
  | {
      readonly type: 'created';
      readonly store: string;
      readonly id: string;
      /** The sessions that were regenerated into it, oldest first. */
      readonly from: readonly string[];
    }
  | {
      /**
       * - `destroyed`: it was live.
       * - `regenerated`: another session may take its place. It was live or had expired, and may be reported twice.
       * - `rotated`: its secret was replaced.
       */
      readonly type: 'destroyed' | 'regenerated' | 'rotated';
      readonly store: string;
      readonly id: string;
    }
  | {
      readonly type: 'cleared';
      readonly store: string;
      /** The group as the store keeps it, so sealed with `encrypt.groups`; `undefined` for all sessions. */
      readonly group: string | undefined;
      /** How many live sessions ended. */
      readonly count: number;
    }
  /** A session joined a group that was full, or was to join it. */
  | {
      readonly type: 'limited';
      readonly store: string;
      readonly id: string;
      /** As in `cleared`. */
      readonly group: string;
      readonly max: number;
      /** Whether other sessions ended in favor of this one, or it was rejected. */
      readonly outcome: 'ended' | 'rejected';
      /** The sessions that ended. */
      readonly ended: readonly string[];
    }
  /** A client presented a token that was replaced, so it may have been stolen. */
  | {
      readonly type: 'replaced token';
      readonly id: string;
      /** Whether only the token was rejected, or its session was destroyed as well. */
      readonly outcome: 'rejected' | 'destroyed';
    };

/** What stores report on the channel `nestjs-session-stores:feed`. */
export type SessionFeedMessage =
  /** From now on every change is heard. */
  | { readonly type: 'live'; readonly store: string }
  /** The feed was interrupted. `reason` is one sentence, which may contain an address. */
  | { readonly type: 'lost'; readonly store: string; readonly reason: string };

const calls = tracingChannel<unknown, SessionStoreMessage>(STORE_CHANNEL);
const sessions = channel(SESSION_CHANNEL);
const feeds = channel(FEED_CHANNEL);

/** Whether calls to stores are reported to anything. */
export function areCallsTraced(): boolean {
  return calls.hasSubscribers;
}

/** Runs a call to a store, and reports its beginning and its end. `outcomeOf` judges its error. */
export async function traceCall<T>(
  message: SessionStoreMessage,
  work: () => Promise<T>,
  outcomeOf: (error: unknown) => SessionStoreOutcome,
): Promise<T> {
  // `tracePromise` puts what its promise resolves to into the message. A record must not get there.
  let result: T | undefined;
  const begun = performance.now();
  const run = async (): Promise<void> => {
    try {
      result = await work();
      message.outcome = 'done';
    } catch (error) {
      message.outcome = outcomeOf(error);
      throw error;
    } finally {
      message.duration = performance.now() - begun;
    }
  };
  await calls.tracePromise(run, message);
  return result as T;
}

/** Whether anything listens to what happens to sessions. */
export function areSessionsReported(): boolean {
  return sessions.hasSubscribers;
}

/** Publishes the result of `message`, which is only called if the channel has subscribers. */
export function reportSession(message: () => SessionMessage): void {
  if (sessions.hasSubscribers) sessions.publish(message());
}

/** As {@link reportSession}, for a feed. */
export function reportFeed(message: () => SessionFeedMessage): void {
  if (feeds.hasSubscribers) feeds.publish(message());
}
