import type {
  SessionFeedEvent,
  SessionFeedListener,
  SessionFeedState,
  SessionWatch,
} from '../contract/feed.js';
import type { SessionStore } from '../contract/store.js';

/** Listens to the feeds of two stores as to one. It is live while both are. */
export class BothFeeds implements SessionWatch {
  readonly #listener: SessionFeedListener;
  #watches: SessionWatch[] = [];
  readonly #live = new Set<SessionStore>();

  constructor(listener: SessionFeedListener) {
    this.#listener = listener;
  }

  /** Resolves once both feeds are live. Rejects if one cannot be opened. */
  async open(target: SessionStore, source: SessionStore): Promise<SessionWatch> {
    try {
      this.#watches.push(await target.watch((event) => this.#hear(target, event)));
      this.#watches.push(await source.watch((event) => this.#hear(source, notEnded(event))));
    } catch (error) {
      this.close();
      throw error;
    }
    return this;
  }

  get completeUntil(): number {
    return Math.min(...this.#watches.map(({ completeUntil }) => completeUntil));
  }

  get isClosed(): boolean {
    return this.#watches.some(({ isClosed }) => isClosed);
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }

  #hear(store: SessionStore, event: SessionFeedEvent): void {
    const wasLive = this.#live.size === 2;
    if (event.type === 'live') this.#live.add(store);
    if (event.type === 'lost') this.#live.delete(store);
    const isLive = this.#live.size === 2;
    if (event.type === 'live' ? isLive : wasLive) this.#listener(event);
  }
}

/** The state of the feeds of two stores as one. */
export function stateOfBoth(target: SessionStore, source: SessionStore): SessionFeedState {
  const states = [target.feedState, source.feedState];
  return states.find((state) => state === 'lost') ?? states.find((state) => state === 'unwatched') ?? 'live';
}

/** Of the old store an end may be a move. Only a read shows which. */
function notEnded(event: SessionFeedEvent): SessionFeedEvent {
  return event.type === 'ended' ? { ...event, type: 'changed' } : event;
}
