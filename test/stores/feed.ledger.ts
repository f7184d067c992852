import type { SessionFeedEvent, SessionStore, SessionStoreCapabilities } from 'nestjs-session-stores/store';
import { expect, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { hostTime, watchReports, type FeedReport } from './feed.reports.mjs';

/** An end of a session that was acknowledged. Instants are of `hostTime`. */
export interface AcknowledgedEnd {
  id: string;
  /** When the call began. */
  begun: number;
  /** When its response was there. */
  acknowledged: number;
}

/** Begins a watch, and calls `report` with what the watcher reports. Resolves to a function that ends the watch. */
export type WatchReports = (report: (report: FeedReport) => void) => Promise<() => void>;

/**
 * Compares what a watcher hears with the ends that were acknowledged, by one rule: a watcher that says that it is complete
 * until an instant after the acknowledgement of an end has heard of the end, if the call began while it was live, and the
 * feed was not lost since. A call that began earlier may have ended the session before the watcher was live.
 *
 * The rule is checked whenever the watcher says until when it is complete, and again when it hears of an end.
 */
export class FeedLedger {
  readonly events: SessionFeedEvent[] = [];
  /** The ends that broke the rule. */
  readonly skipped: string[] = [];
  readonly #types: ReadonlySet<string>;
  readonly #heard = new Set<string>();
  /** The acknowledged ends that were not heard yet, by session id. */
  readonly #awaited = new Map<string, AcknowledgedEnd>();
  /** When the watcher heard `live`. `undefined` before that, and after `lost`. */
  #liveSince: number | undefined;
  #completeUntil = -Infinity;
  #acknowledged = 0;
  #close = (): void => {};

  /** Watches a store until the end of the test. */
  static of(store: SessionStore): Promise<FeedLedger> {
    return FeedLedger.ofReports((report) => watchReports(store, report), store.capabilities);
  }

  /** Compares what a watcher reports from elsewhere, until the end of the test. `exactFeed` is that of its store. */
  static async ofReports(
    watch: WatchReports,
    { exactFeed }: Pick<SessionStoreCapabilities, 'exactFeed'>,
  ): Promise<FeedLedger> {
    const ledger = new FeedLedger(exactFeed === false ? ['ended', 'changed'] : ['ended']);
    ledger.#close = await watch((report) => ledger.#enter(report));
    onTestFinished(() => ledger.close());
    return ledger;
  }

  /** @param types as what an end may be announced */
  private constructor(types: string[]) {
    this.#types = new Set(types);
  }

  close(): void {
    this.#close();
  }

  /** The types of the events about the feed as a whole. */
  get course(): string[] {
    return this.events.flatMap((event) => ('ids' in event ? [] : [event.type]));
  }

  /** Why the feed was lost, each time. */
  get losses(): string[] {
    return this.events.flatMap((event) => (event.type === 'lost' ? [event.reason] : []));
  }

  /** As what a session was announced, in order. */
  typesOf(id: string): string[] {
    return this.events.flatMap((event) => ('ids' in event && event.ids.includes(id) ? [event.type] : []));
  }

  /** Whether the end of a session was announced. */
  hasHeard(id: string): boolean {
    return this.#heard.has(id);
  }

  /** Called as soon as the end of a session has been acknowledged. */
  add(end: AcknowledgedEnd): void {
    this.#acknowledged++;
    if (!this.#heard.has(end.id)) this.#awaited.set(end.id, end);
  }

  /** Waits until the watcher says that it is complete until now. */
  async complete(within = 60_000): Promise<void> {
    const now = hostTime();
    await eventually(() => this.#completeUntil > now, { within });
  }

  /** Fails if an end that was acknowledged by now breaks the rule. */
  async expectNothingSkipped(): Promise<void> {
    await this.complete();
    expect(this.skipped, `of ${this.#acknowledged} acknowledged ends`).toEqual([]);
  }

  #enter(report: FeedReport): void {
    if ('event' in report) return this.#hear(report.event, report.at);
    this.#completeUntil = report.completeUntil;
    for (const end of this.#awaited.values()) this.#check(end);
  }

  #hear(event: SessionFeedEvent, at: number): void {
    this.events.push(event);
    if (event.type === 'live') this.#liveSince = at;
    if (event.type === 'lost') this.#liveSince = undefined;
    if (!('ids' in event) || !this.#types.has(event.type)) return;
    for (const id of event.ids) {
      this.#heard.add(id);
      const end = this.#awaited.get(id);
      if (end) this.#check(end);
      this.#awaited.delete(id);
    }
  }

  /** Checks the rule for an end that was not heard before. */
  #check({ id, begun, acknowledged }: AcknowledgedEnd): void {
    if (this.#liveSince === undefined) return;
    const counts = begun > this.#liveSince;
    const isLate = this.#completeUntil > acknowledged;
    if (counts && isLate) this.skipped.push(id);
    if (!counts || isLate) this.#awaited.delete(id);
  }
}
