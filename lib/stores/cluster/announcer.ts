import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type { SessionChange, SessionRecord } from '../../contract/record.js';

/** How a change is announced. */
export type Announced = 'changed' | 'rotated' | 'ended';

/** Announces the changes of the sessions of one name. Without listeners it keeps nothing. */
export class Announcer {
  private readonly sinks = new Set<SessionFeedSink>();
  /** What has not been announced yet, in order. */
  private noted: { type: Announced; ids: string[] }[] = [];

  get isHeard(): boolean {
    return this.sinks.size > 0;
  }

  /** Announces to a sink from now on. */
  watch(sink: SessionFeedSink): SessionFeedSource {
    this.sinks.add(sink);
    return {
      probe: async () => this.announce(),
      close: () => void this.sinks.delete(sink),
    };
  }

  /**
   * Notes what happened to a session. It is announced in the same turn of the event loop, but only once the code that
   * runs now is done: a listener may call the store, and must find the sessions in order.
   */
  note(type: Announced, id: string): void {
    if (this.sinks.size === 0) return;
    const last = this.noted.at(-1);
    if (last?.type === type) {
      last.ids.push(id);
      return;
    }
    if (!last) queueMicrotask(() => this.announce());
    this.noted.push({ type, ids: [id] });
  }

  /** Announces what was noted. Must not be called by a listener. */
  announce(): void {
    if (this.noted.length === 0) return;
    const { noted } = this;
    this.noted = [];
    for (const { type, ids } of noted) for (const sink of this.sinks) sink.heard(type, ids);
  }

  /** Ends all sources: the sessions are dropped. */
  close(): void {
    this.noted = [];
    for (const sink of this.sinks) {
      this.sinks.delete(sink);
      sink.lost('the sessions were dropped');
    }
  }
}

/** Whether an update must be announced: unless it changes nothing, or is a touch that moves the expiry forward. */
export function mustAnnounce(before: SessionRecord, after: SessionRecord, change: SessionChange): boolean {
  const isSame =
    after.data === before.data &&
    after.groups === before.groups &&
    after.previous === before.previous &&
    after.label === before.label &&
    after.lastSeenAt === before.lastSeenAt;
  if (!isSame || after.expiresAt < before.expiresAt) return true;
  return change.expiresAt !== undefined && after.expiresAt !== before.expiresAt;
}
