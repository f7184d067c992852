import { Deadline } from '../../contract/deadline.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import { FEED_TIMEOUT } from '../../contract/feed-run.js';
import type { Announced } from './announcer.js';

/** The calls of a worker that its feeds need. */
export interface FeedCalls {
  /** Resolves when the primary announces to feed `number`. */
  watch(number: number, deadline: Deadline): Promise<void>;
  /** Resolves once all that was announced before has arrived. */
  probe(number: number, deadline: Deadline): Promise<void>;
  /** Sends without a reply, and at once. Ignores errors: without a channel there is no feed. */
  unwatch(number: number): void;
}

/** The feeds of one store in a worker: what the primary announces to them arrives before the reply to a later call. */
export class RemoteFeeds {
  private readonly sinks = new Map<number, SessionFeedSink>();
  private count = 0;

  constructor(private readonly calls: FeedCalls) {}

  async open(sink: SessionFeedSink, deadline: Deadline): Promise<SessionFeedSource> {
    const number = ++this.count;
    this.sinks.set(number, sink);
    try {
      const watching = this.calls.watch(number, deadline);
      const giveUp = deadline.whenOver;
      deadline.whenOver = () => {
        giveUp?.();
        this.close(number);
      };
      await watching;
    } catch (error) {
      this.close(number);
      throw error;
    }
    return this.source(number);
  }

  /** Passes on a message of the primary. One for a feed that was closed is dropped. */
  hear(number: number, message: unknown): void {
    const sink = this.sinks.get(number);
    if (!sink) return;
    if (!isAnnouncements(message)) {
      return sink.lost(typeof message === 'string' ? message : 'a message of the primary was malformed');
    }
    TYPES.forEach((type, index) => {
      const ids = message[index] as string[];
      if (ids.length > 0) sink.heard(type, ids);
    });
  }

  /** Ends all feeds. */
  loseAll(reason: string): void {
    for (const [number, sink] of this.sinks) {
      sink.lost(reason);
      this.close(number);
    }
  }

  private source(number: number): SessionFeedSource {
    let probing: Deadline | undefined;
    return {
      probe: () => {
        probing = new Deadline(FEED_TIMEOUT);
        return this.calls.probe(number, probing);
      },
      close: () => {
        // The reply to a probe that was given up may never come.
        probing?.whenOver?.();
        this.close(number);
      },
    };
  }

  private close(number: number): void {
    if (this.sinks.delete(number)) this.calls.unwatch(number);
  }
}

/** In the order of a message's lists. */
const TYPES: readonly Announced[] = ['changed', 'rotated', 'ended'];

function isAnnouncements(message: unknown): message is string[][] {
  return Array.isArray(message) && message.length === TYPES.length && message.every(Array.isArray);
}
