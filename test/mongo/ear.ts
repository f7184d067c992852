import { setTimeout as wait } from 'node:timers/promises';
import type { SessionFeedEvent, SessionStore, SessionWatch } from 'nestjs-session-stores/store';
import { MongoStore, type MongoStoreOptions } from 'nestjs-session-stores/stores/mongo';
import { onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';

/** A store that is open until the end of the test. */
export async function opened(options: MongoStoreOptions): Promise<MongoStore> {
  const store = new MongoStore(options);
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

/** A watcher of a store until the end of the test. */
export async function listening(store: MongoStore): Promise<Ear> {
  const ear = await Ear.of(store);
  onTestFinished(() => ear.close());
  return ear;
}

/**
 * A watcher of a store. It checks all the time that it counts as complete only until the first end, acknowledged while it
 * was live, of which it has not heard.
 */
export class Ear {
  static async of(store: SessionStore): Promise<Ear> {
    const ear = new Ear();
    ear.#watch = await store.watch((event) => ear.#hear(event));
    ear.#timer = setInterval(() => ear.#check(), 5);
    return ear;
  }

  readonly events: SessionFeedEvent[] = [];
  /** The ends of which it had not heard when it counted as complete. */
  readonly skipped: string[] = [];
  readonly #heard = new Set<string>();
  /** When ends were acknowledged of which it has not heard yet, by session id. */
  readonly #awaited = new Map<string, number>();
  #liveSince = Infinity;
  #watch: SessionWatch | undefined;
  #timer: NodeJS.Timeout | undefined;

  get watch(): SessionWatch {
    return this.#watch!;
  }

  get reasons(): string[] {
    return this.events.flatMap((event) => (event.type === 'lost' ? [event.reason] : []));
  }

  hasHeard(id: string): boolean {
    return this.#heard.has(id);
  }

  /**
   * Called when the end of a session has been acknowledged. A call that had begun before `live` may have ended the session
   * before that, too: then whoever reads it after `live` does not find it, and need not hear of it.
   */
  ended(id: string, begun: number): void {
    if (begun > this.#liveSince && !this.#heard.has(id)) this.#awaited.set(id, performance.now());
  }

  /** Waits until it counts as complete until now. */
  async complete(): Promise<void> {
    const now = performance.now();
    await eventually(() => this.watch.completeUntil > now, { within: 30_000 });
    this.#check();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#watch?.close();
    await wait(0);
  }

  #hear(event: SessionFeedEvent): void {
    this.events.push(event);
    if (event.type === 'live') this.#liveSince = performance.now();
    if (event.type === 'lost') {
      this.#liveSince = Infinity;
      this.#awaited.clear();
    }
    if (event.type !== 'ended') return;
    for (const id of event.ids) {
      this.#heard.add(id);
      this.#awaited.delete(id);
    }
  }

  #check(): void {
    for (const [id, at] of this.#awaited) {
      if (this.watch.completeUntil <= at) continue;
      this.skipped.push(id);
      this.#awaited.delete(id);
    }
  }
}
