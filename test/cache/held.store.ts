import type { SessionFeedSink, SessionFeedSource, SessionRecord } from 'nestjs-session-stores/store';
import { MapStore } from '../stores/map.store.js';

/** A store in memory whose responses and feed are held back by hand. */
export class HeldStore extends MapStore {
  reads = 0;
  writes = 0;
  feed: true | string = true;
  /** Whether reads and writes wait for `release`, after they were done. */
  isHolding = false;
  /** Whether the probes of the feed are answered. */
  isFeedStopped = false;
  /** Whether a source of the feed can be opened. */
  isFeedDown = false;
  /** The events that are announced late, by `announceHeld`; `undefined` while they are announced at once. */
  heldEvents: [type: 'changed' | 'rotated' | 'ended', id: string][] | undefined;
  #sink: SessionFeedSink | undefined;
  readonly #waiting: (() => void)[] = [];

  override get capabilities() {
    return { ...super.capabilities, feed: this.feed };
  }

  /** How many sources of the feed are open. */
  sources = 0;

  protected override async doWatch(sink: SessionFeedSink): Promise<SessionFeedSource> {
    if (this.isFeedDown) throw new Error('unreachable');
    const source = await super.doWatch(sink);
    this.#sink = sink;
    this.sources++;
    const probe = (): Promise<void> => (this.isFeedStopped ? new Promise(() => {}) : Promise.resolve());
    const close = (): void => {
      this.sources--;
      source.close();
    };
    return { probe, close };
  }

  protected override announce(type: 'changed' | 'rotated' | 'ended', id: string): void {
    if (this.heldEvents) this.heldEvents.push([type, id]);
    else super.announce(type, id);
  }

  /** The ids of the sessions. */
  ids(): string[] {
    return [...this.sessions.keys()];
  }

  announceHeld(): void {
    const held = this.heldEvents ?? [];
    this.heldEvents = undefined;
    for (const [type, id] of held) this.announce(type, id);
  }

  /** Something was missed. */
  loseFeed(): void {
    this.#sink!.lost('cut');
  }

  /** Lets the responses of all calls through. */
  release(): void {
    this.isHolding = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  async #response<T>(value: T): Promise<T> {
    if (this.isHolding) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return value;
  }

  // The base class is synchronous, and callers await the result.
  protected override doRead(id: string): never {
    this.reads++;
    return this.#response<SessionRecord | undefined>(super.doRead(id)) as never;
  }

  protected override keep(record: SessionRecord, as?: 'changed' | 'rotated'): SessionRecord | undefined {
    this.writes++;
    return super.keep(record, as);
  }

  protected override doUpdate(...args: Parameters<MapStore['doUpdate']>): never {
    return this.#response(super.doUpdate(...args)) as never;
  }

  protected override doDestroy(id: string): never {
    return this.#response(super.doDestroy(id)) as never;
  }

  protected override doClear(...args: Parameters<MapStore['doClear']>): never {
    return this.#response(super.doClear(...args)) as never;
  }
}
