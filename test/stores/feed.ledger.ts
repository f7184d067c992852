import { randomUUID } from 'node:crypto';
import type { SessionFeedEvent, SessionStore, SessionWatch } from 'nestjs-session-stores/store';
import { expect } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';

/** A watch, what it has heard and when, and the ends that another handle has made meanwhile. */
export class FeedLedger {
  /** Each event, with the `performance.now()` at which it came. */
  readonly heard: (SessionFeedEvent & { at: number })[] = [];
  private readonly ends: { id: string; sentAt: number }[] = [];
  private watch!: SessionWatch;

  private constructor(private readonly writer: SessionStore) {}

  /** Watches a store; `writer` is another handle of it, which makes the changes. */
  static async of(watched: SessionStore, writer: SessionStore): Promise<FeedLedger> {
    const ledger = new FeedLedger(writer);
    ledger.watch = await watched.watch((event) => ledger.heard.push({ ...event, at: performance.now() }));
    return ledger;
  }

  close(): void {
    this.watch.close();
  }

  get types(): string[] {
    return this.heard.map(({ type }) => type);
  }

  get losses(): string[] {
    return this.heard.flatMap((event) => (event.type === 'lost' ? [event.reason] : []));
  }

  hasHeard(id: string): boolean {
    return this.heard.some((event) => 'ids' in event && event.ids.includes(id));
  }

  /** Creates a session and destroys it. Resolves to its id, or to `undefined` if the store failed. */
  async end(): Promise<string | undefined> {
    const record = aRecord(randomUUID());
    const sentAt = performance.now();
    try {
      await this.writer.create(record);
      await this.writer.destroy(record.id);
    } catch {
      return undefined;
    }
    this.ends.push({ id: record.id, sentAt });
    return record.id;
  }

  /** Ends sessions, one after the other, until `fault` has settled. Resolves to how many were acknowledged. */
  async endDuring(fault: Promise<unknown>): Promise<number> {
    const before = this.ends.length;
    const over = new AbortController();
    const settled = fault.finally(() => over.abort());
    while (!over.signal.aborted) {
      await this.end();
      await new Promise(setImmediate);
    }
    await settled;
    return this.ends.length - before;
  }

  /** Waits until the watch is live and has heard of all that is acknowledged by now. */
  async complete(within = 20_000): Promise<void> {
    const now = performance.now();
    await eventually(() => this.watch.completeUntil > now, { within });
  }

  /** Fails if an acknowledged end was skipped: not heard, while no loss was announced from its call on. */
  async expectNothingSkipped(): Promise<void> {
    await this.complete();
    const skipped = this.ends.filter(({ id, sentAt }) => {
      const before = this.heard.findLast((event) => !('ids' in event) && event.at <= sentAt);
      const isLost =
        before?.type !== 'live' || this.heard.some(({ type, at }) => type === 'lost' && at > sentAt);
      return !isLost && !this.hasHeard(id);
    });
    expect(skipped, `of ${this.ends.length} acknowledged ends`).toEqual([]);
  }
}
