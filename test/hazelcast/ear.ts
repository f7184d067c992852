import type { SessionFeedEvent, SessionStore, SessionWatch } from 'nestjs-session-stores/store';
import { HazelcastStore, type HazelcastStoreOptions } from 'nestjs-session-stores/stores/hazelcast';
import { onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';

/**
 * A watcher of a store. It checks all the time that it counts as complete only until the first end, acknowledged while it
 * was live, of which it has not heard. The end of a session that was not changed before may be announced as a change.
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

  /** As what a session was announced, in order. */
  typesOf(id: string): string[] {
    return this.events.flatMap((event) => ('ids' in event && event.ids.includes(id) ? [event.type] : []));
  }

  /**
   * Called when the end of a session has been acknowledged.
   *
   * @param begun when the call began. One that began before the watcher was live may have acted before that
   */
  ended(id: string, begun: number): void {
    if (!this.#heard.has(id) && begun > this.#liveSince) this.#awaited.set(id, performance.now());
  }

  /** Waits until it counts as complete until now. */
  async complete(): Promise<void> {
    const now = performance.now();
    await eventually(() => this.watch.completeUntil > now, { within: 60_000 });
    this.#check();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watch?.close();
  }

  #hear(event: SessionFeedEvent): void {
    this.events.push(event);
    if (event.type === 'live') this.#liveSince = performance.now();
    // Whoever hears `lost` forgets what it knows.
    if (event.type === 'lost') {
      this.#liveSince = Infinity;
      this.#awaited.clear();
    }
    if (!('ids' in event)) return;
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

/** A store that is closed after the test. */
export async function opened(options: HazelcastStoreOptions): Promise<HazelcastStore> {
  const store = new HazelcastStore(options);
  onTestFinished(() => store.close());
  await eventually(() => store.open(), { within: 30_000 });
  return store;
}

/** A watcher that is closed after the test. */
export async function listening(store: HazelcastStore): Promise<Ear> {
  const ear = await eventually(() => Ear.of(store), { within: 30_000 });
  onTestFinished(() => ear.close());
  return ear;
}
