import type { SessionStore } from 'nestjs-session-stores/store';
import { setTimeout as wait } from 'node:timers/promises';
import { aRecord } from '../record.js';
import { hostTime, type Watched } from './worker.store.js';

/** Compares what a watch in a worker says with the ends that were acknowledged elsewhere. */
export class Audit {
  private readonly acknowledged: { id: string; at: number }[] = [];
  private readonly reports: Watched[] = [];

  readonly add = (report: Watched): void => void this.reports.push(report);

  /** The types of the events about the feed as a whole. */
  get course(): string[] {
    return this.reports.flatMap(({ event }) => (event && !('ids' in event) ? [event.type] : []));
  }

  get reasons(): string[] {
    return this.reports.flatMap(({ event }) => (event?.type === 'lost' ? [event.reason] : []));
  }

  get heard(): Set<string> {
    return new Set(this.reports.flatMap(({ event }) => (event?.type === 'ended' ? event.ids : [])));
  }

  /** The last instant until which the watch said to be complete. */
  get completeUntil(): number {
    return (
      this.reports.findLast(({ completeUntil }) => completeUntil !== undefined)?.completeUntil ?? -Infinity
    );
  }

  /** How many ends were acknowledged. */
  get ends(): number {
    return this.acknowledged.length;
  }

  get isComplete(): boolean {
    return this.completeUntil > (this.acknowledged.at(-1)?.at ?? -Infinity);
  }

  /** Creates a session and destroys it. */
  async end(store: SessionStore): Promise<void> {
    const id = `ended-${this.acknowledged.length}`;
    await store.create(aRecord(id));
    await store.destroy(id);
    this.acknowledged.push({ id, at: hostTime() });
  }

  /** Ends sessions until the returned function is called. */
  keepEnding(store: SessionStore): () => Promise<void> {
    const finish = new AbortController();
    const ending = (async () => {
      while (!finish.signal.aborted) {
        await this.end(store);
        await wait(5);
      }
    })();
    return () => {
      finish.abort();
      return ending;
    };
  }

  /** The ends after a `live` of which the watch had not heard when it said to be complete past them. */
  get missed(): string[] {
    const missed = new Set<string>();
    const heard = new Set<string>();
    let from: number | undefined;
    for (const { event, at: heardAt, completeUntil } of this.reports) {
      if (event?.type === 'ended') for (const id of event.ids) heard.add(id);
      if (event?.type === 'live') from = heardAt;
      if (event?.type === 'lost') from = undefined;
      if (from === undefined || completeUntil === undefined) continue;
      for (const { id, at } of this.acknowledged)
        if (at > from && at <= completeUntil && !heard.has(id)) missed.add(id);
    }
    return [...missed];
  }
}
