import { FeedRun } from './feed-run.js';

/** What a watcher of a store hears about its sessions. */
export type SessionFeedEvent =
  | {
      /**
       * - `ended`: the sessions were destroyed, cleared, regenerated, or given an expiry in the past. Natural expiry may
       *   be announced too, and late.
       * - `rotated`: their secret was replaced.
       * - `changed`: anything else. A store that cannot tell what happened says `changed`, even of an end. A new session
       *   is not announced, and neither need be an expiry that a `touch` moved forward.
       */
      readonly type: 'changed' | 'rotated' | 'ended';
      readonly ids: readonly string[];
    }
  /** Something may have been missed: forget what you know. `reason` is one sentence. */
  | { readonly type: 'lost'; readonly reason: string }
  /** From now on everything is announced. The first event, and the one after each `lost`. */
  | { readonly type: 'live' };

/** Called with each event. Must not block. An error that it throws becomes a warning of the process. */
export type SessionFeedListener = (event: SessionFeedEvent) => void;

/** A listener's place at the feed of a store. */
export interface SessionWatch {
  /**
   * Everything that was acknowledged before this instant of `performance.now()` has been heard. `-Infinity` after `lost`.
   * It is the instant at which the newest answered probe was sent. Compare it with the clock at every use: a process that
   * was stopped finds it in the past, whatever it received meanwhile.
   */
  readonly completeUntil: number;
  /** Stops listening. The listener hears nothing any more. */
  close(): void;
}

/** What a source reports. Ignored once the source is closed. */
export interface SessionFeedSink {
  heard(type: 'changed' | 'rotated' | 'ended', ids: readonly string[]): void;
  /** Something was missed, or may have been. The source is closed, and another one is opened. */
  lost(reason: string): void;
}

/** Where the events of a store come from while somebody watches it. */
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

/** The feed of one store. It has a source from the first watcher to the last. */
export class Feed {
  readonly #open: OpenFeed;
  readonly #watchers = new Set<Watcher>();
  #run: FeedRun | undefined;

  constructor(open: OpenFeed) {
    this.#open = open;
  }

  /** Resolves once the feed is live; at once if others watch already. Rejects if no source can be opened. */
  async watch(listener: SessionFeedListener): Promise<SessionWatch> {
    const run = (this.#run ??= new FeedRun(this.#open, (event) => this.#tell(event)));
    const watcher = new Watcher(listener, run, () => this.#remove(watcher));
    this.#watchers.add(watcher);
    try {
      await run.begun;
    } catch (error) {
      this.#remove(watcher);
      throw error;
    }
    watcher.begin();
    return watcher;
  }

  /** Ends all watches, because the store closes. */
  close(): void {
    this.#tell({ type: 'lost', reason: 'the store was closed' });
    for (const watcher of this.#watchers) this.#remove(watcher);
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

class Watcher implements SessionWatch {
  readonly #listener: SessionFeedListener;
  readonly #remove: () => void;
  /** `undefined` once closed. */
  #run: FeedRun | undefined;
  /** What it was told last of the feed as a whole. `waiting` until the feed has begun. */
  #heard: 'waiting' | 'live' | 'lost' = 'waiting';

  constructor(listener: SessionFeedListener, run: FeedRun, remove: () => void) {
    this.#listener = listener;
    this.#run = run;
    this.#remove = remove;
  }

  get completeUntil(): number {
    return this.#heard === 'live' ? (this.#run?.completeUntil ?? -Infinity) : -Infinity;
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
      this.#listener(event);
    } catch (cause) {
      process.emitWarning(new Error('a listener of a session feed threw. Its error is the cause', { cause }));
    }
  }

  close(): void {
    this.#remove();
  }

  end(): void {
    this.#run = undefined;
  }
}
