import type {
  OpenFeed,
  SessionFeedEvent,
  SessionFeedListener,
  SessionFeedState,
  SessionWatch,
} from './feed.js';
import { FeedRun } from './feed-run.js';

/** What a feed says about itself. */
type FeedTurn = Exclude<SessionFeedEvent, { ids: unknown }>;

/** The feed of one store. It has a source from the first watcher to the last. */
export class SharedFeed {
  readonly #open: OpenFeed;
  readonly #closed: () => Error;
  readonly #report: (event: FeedTurn) => void;
  readonly #watchers = new Set<Watcher>();
  #run: FeedRun | undefined;

  /**
   * @param closed makes the error of a watch whose store was closed before it began
   * @param report called when the feed is live, and when it was lost
   */
  constructor(open: OpenFeed, closed: () => Error, report: (event: FeedTurn) => void = () => {}) {
    this.#open = open;
    this.#closed = closed;
    this.#report = report;
  }

  /** Resolves once the feed is live; at once if others watch already. Rejects if no source can be opened. */
  async watch(listener: SessionFeedListener): Promise<SessionWatch> {
    const run = (this.#run ??= new FeedRun(this.#open, (event) => this.#hear(event)));
    const watcher = new Watcher(listener, run, () => this.#remove(watcher));
    this.#watchers.add(watcher);
    try {
      await run.begun;
    } catch (error) {
      if (watcher.isClosed) throw this.#closed();
      this.#remove(watcher);
      throw error;
    }
    if (watcher.isClosed) throw this.#closed();
    watcher.begin();
    return watcher;
  }

  /** Ends all watches, because the store closes. */
  close(): void {
    this.#tell({ type: 'lost', reason: 'the store was closed' });
    for (const watcher of this.#watchers) this.#remove(watcher);
  }

  get state(): SessionFeedState {
    if (!this.#run) return 'unwatched';
    return this.#run.isLive ? 'live' : 'lost';
  }

  #hear(event: SessionFeedEvent): void {
    if (!('ids' in event)) this.#report(event);
    this.#tell(event);
  }

  #tell(event: SessionFeedEvent): void {
    for (const watcher of this.#watchers) watcher.hear(event);
  }

  #remove(watcher: Watcher): void {
    watcher.end();
    if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return;
    this.#run?.close();
    this.#run = undefined;
  }
}

const THREW = 'a listener of a session feed threw. Its error is the cause';

class Watcher implements SessionWatch {
  readonly #listener: SessionFeedListener;
  readonly #remove: () => void;
  /** `undefined` once closed. */
  #run: FeedRun | undefined;
  /** What it was told last of the feed as a whole. `waiting` until the feed has begun. */
  #heard: 'waiting' | 'live' | 'lost' = 'waiting';
  #hasThrown = false;

  constructor(listener: SessionFeedListener, run: FeedRun, remove: () => void) {
    this.#listener = listener;
    this.#run = run;
    this.#remove = remove;
  }

  get completeUntil(): number {
    return this.#heard === 'live' ? (this.#run?.completeUntil ?? -Infinity) : -Infinity;
  }

  get isClosed(): boolean {
    return this.#run === undefined;
  }

  /** The feed has begun. If it was lost again meanwhile, `live` comes later. */
  begin(): void {
    if (this.#heard === 'waiting' && this.#run?.isLive) this.hear({ type: 'live' });
  }

  hear(event: SessionFeedEvent): void {
    if (!this.#run) return;
    if (event.type === 'live') this.#heard = 'live';
    // Before `live` there is nothing that could be lost.
    else if (this.#heard !== 'live') return;
    else if (event.type === 'lost') this.#heard = 'lost';
    try {
      const result: unknown = this.#listener(event);
      if (result instanceof Promise) result.catch((cause: unknown) => this.#warn(cause));
    } catch (cause) {
      this.#warn(cause);
    }
  }

  #warn(cause: unknown): void {
    // Once, because it may throw at every event.
    if (!this.#hasThrown) process.emitWarning(new Error(THREW, { cause }));
    this.#hasThrown = true;
  }

  close(): void {
    this.#remove();
  }

  end(): void {
    this.#run = undefined;
  }
}
