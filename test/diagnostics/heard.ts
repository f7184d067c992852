import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import type { SessionFeedMessage, SessionMessage, SessionStoreMessage } from 'nestjs-session-stores';
import { onTestFinished } from 'vitest';

/** What was heard on the channels of the package. */
export interface Heard {
  /** The calls, as they were when they ended. */
  calls: SessionStoreMessage[];
  sessions: SessionMessage[];
  feeds: SessionFeedMessage[];
}

/** Listens on all channels but that of caches, until the test has finished. */
export function listen(): Heard {
  const heard: Heard = { calls: [], sessions: [], feeds: [] };
  const calls = tracingChannel<unknown, SessionStoreMessage>('nestjs-session-stores:store');
  const ends = { asyncEnd: (message: SessionStoreMessage) => void heard.calls.push({ ...message }) };
  const onSession = (message: unknown): void => void heard.sessions.push(message as SessionMessage);
  const onFeed = (message: unknown): void => void heard.feeds.push(message as SessionFeedMessage);
  calls.subscribe(ends as never);
  subscribe('nestjs-session-stores:session', onSession);
  subscribe('nestjs-session-stores:feed', onFeed);
  onTestFinished(() => {
    calls.unsubscribe(ends as never);
    unsubscribe('nestjs-session-stores:session', onSession);
    unsubscribe('nestjs-session-stores:feed', onFeed);
  });
  return heard;
}
