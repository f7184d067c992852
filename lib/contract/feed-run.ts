import { Deadlines } from './deadline.js';
import type { OpenFeed, SessionFeedEvent, SessionFeedSource } from './feed.js';
import { currentMoment, instantOf, type Moment } from './moment.js';

/** How old `completeUntil` may be while a feed is live, in milliseconds. A probe without a response after that is lost. */
export const FEED_TIMEOUT = 1000;

/** How long after a probe the next one is sent, in milliseconds: four of them fit into a {@link FEED_TIMEOUT}. */
const PROBE_EVERY = FEED_TIMEOUT / 4;

/** How many ids of early events are kept. */
const MOST_EARLY = 10_000;

/** The first and the longest pause before another attempt to open a source, in milliseconds. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 1000;

/** Follows the feed of a store, over one source after another, until it is closed. */
export class FeedRun {
  /** Resolves once the feed is live. Rejects if the first source fails before that, which ends the run. */
  readonly begun: Promise<void>;
  readonly #open: OpenFeed;
  readonly #tell: (event: SessionFeedEvent) => void;
  readonly #probes = new Deadlines(FEED_TIMEOUT);
  /** When the newest answered probe was sent. `undefined` unless the feed is live. */
  #probedAt: Moment | undefined;
  #isClosed = false;
  /** Gives the current source up. */
  #leave: ((reason: string) => void) | undefined;

  constructor(open: OpenFeed, tell: (event: SessionFeedEvent) => void) {
    this.#open = open;
    this.#tell = tell;
    this.begun = new Promise((begin, fail) => void this.#follow(begin, fail));
  }

  get isLive(): boolean {
    return this.#probedAt !== undefined;
  }

  /**
   * When the newest answered probe was sent, by `performance.now()`, as if that clock went on while the machine is
   * suspended. `-Infinity` unless the feed is live.
   */
  get completeUntil(): number {
    return this.#probedAt ? instantOf(this.#probedAt) : -Infinity;
  }

  close(): void {
    this.#isClosed = true;
    this.#leave?.('the feed was closed');
  }

  async #follow(begin: () => void, fail: (error: unknown) => void): Promise<void> {
    let hasBegun = false;
    let pause = FIRST_PAUSE;
    do {
      try {
        await this.#listen(() => {
          hasBegun = true;
          pause = FIRST_PAUSE;
          begin();
        });
      } catch (error) {
        if (!hasBegun) return fail(error);
      }
      // Random, so that the processes of an app do not all come at once.
      await idle(pause * (0.5 + Math.random() / 2));
      pause = Math.min(LONGEST_PAUSE, 2 * pause);
    } while (!this.#isClosed);
  }

  /** Listens to one source. Rejects when it is lost. */
  async #listen(begin: () => void): Promise<never> {
    const line = new Line((reason) => this.#lose(reason));
    this.#leave = (reason) => line.break(reason);
    try {
      // An end may be announced before the feed is live, and acknowledged after that.
      const early: SessionFeedEvent[] = [];
      let ids = 0;
      const source = await line.open(this.#open, (event) => {
        if (this.isLive) return this.#tell(event);
        early.push(event);
        if ('ids' in event) ids += event.ids.length;
        if (ids > MOST_EARLY) line.break('too many changes while it began');
      });
      for (;;) {
        const sentAt = currentMoment();
        await line.orBroken(this.#probes.run(() => source.probe(), lateProbe));
        const isNew = !this.isLive;
        this.#probedAt = sentAt;
        if (isNew) {
          this.#tell({ type: 'live' });
          for (const event of early.splice(0)) this.#tell(event);
          begin();
        }
        const left = sentAt.steady + PROBE_EVERY - performance.now();
        if (left > 0) await line.orBroken(idle(left));
      }
    } catch (error) {
      line.break(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  #lose(reason: string): void {
    if (!this.isLive) return;
    this.#probedAt = undefined;
    if (!this.#isClosed) this.#tell({ type: 'lost', reason });
  }
}

/** The way from one source to the run, until it is broken. */
class Line {
  readonly #lose: (reason: string) => void;
  #isBroken = false;
  #source: SessionFeedSource | undefined;
  /** Rejects what is awaited at the moment. */
  #reject: ((error: Error) => void) | undefined;

  constructor(lose: (reason: string) => void) {
    this.#lose = lose;
  }

  open(open: OpenFeed, tell: (event: SessionFeedEvent) => void): Promise<SessionFeedSource> {
    const opening = open({
      heard: (type, ids) => {
        if (!this.#isBroken && ids.length > 0) tell({ type, ids });
      },
      lost: (reason) => this.break(reason),
    });
    opening.then(
      (source) => {
        this.#source = source;
        // It was opened too late.
        if (this.#isBroken) source.close();
      },
      () => {},
    );
    return this.orBroken(opening);
  }

  /** Settles as a step does, or rejects when the line breaks. */
  orBroken<T>(step: PromiseLike<T> | T): Promise<T> {
    // Not `Promise.race`: what it adds to a promise that stays pending is kept as long as that.
    return new Promise<T>((resolve, reject) => {
      if (this.#isBroken) return reject(new Error(BROKEN));
      this.#reject = reject;
      Promise.resolve(step).then(resolve, reject);
    });
  }

  break(reason: string): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    // At once, because from now on what a listener has read may be wrong.
    this.#lose(reason);
    this.#source?.close();
    this.#reject?.(new Error(reason));
  }
}

const BROKEN = 'the feed was lost';

/** Waits without keeping the process alive. */
function idle(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds).unref());
}

function lateProbe(): Error {
  return new Error(`a probe had no response within ${FEED_TIMEOUT} ms`);
}
