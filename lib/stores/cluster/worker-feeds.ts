import type { Worker } from 'node:cluster';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type { Announced } from './announcer.js';
import { Backlog } from './backlog.js';
import { TAG, type EventsMessage, type LostMessage } from './messages.js';
import type { Sessions } from './sessions.js';

/** The feeds of the workers that watch, in the primary: at most one for each store of a worker. */
export class WorkerFeeds {
  private readonly byWorker = new Map<Worker, Map<string, WorkerFeed>>();

  /** Opens the feed of a store, in the place of an earlier one. */
  watch(worker: Worker, store: string, number: unknown, sessions: Sessions): void {
    if (typeof number !== 'number') throw new TypeError('the number of a feed must be a number');
    // A message of a worker that has exited may arrive late.
    if (!worker.isConnected()) return;
    let feeds = this.byWorker.get(worker);
    if (!feeds) this.byWorker.set(worker, (feeds = new Map()));
    feeds.get(store)?.close();
    feeds.set(store, new WorkerFeed(worker, store, number, sessions));
  }

  /** Sends all that a feed has to announce, so that it arrives before the reply. Throws if there is no such feed. */
  probe(worker: Worker, store: string, number: unknown, sessions: Sessions): void {
    const feed = this.byWorker.get(worker)?.get(store);
    if (!feed || feed.number !== number || feed.isClosed) throw new Error('there is no such feed any more');
    sessions.announce();
    feed.sendAll();
  }

  unwatch(worker: Worker, store: string, number: unknown): void {
    const feeds = this.byWorker.get(worker);
    const feed = feeds?.get(store);
    if (!feeds || !feed || feed.number !== number) return;
    feed.close();
    feeds.delete(store);
    if (feeds.size === 0) this.byWorker.delete(worker);
  }

  /** Sends what the feeds of a worker have to announce, as far as the channel takes it. */
  flush(worker: Worker): void {
    for (const feed of this.byWorker.get(worker)?.values() ?? []) feed.flush();
  }

  /** Closes the feeds of a worker that is gone. */
  forget(worker: Worker): void {
    for (const feed of this.byWorker.get(worker)?.values() ?? []) feed.close();
    this.byWorker.delete(worker);
  }

  /** Ends all feeds. The workers hear why. */
  loseAll(reason: string): void {
    for (const feeds of this.byWorker.values()) for (const feed of feeds.values()) feed.lost(reason);
    this.byWorker.clear();
  }
}

/** How many messages to a worker may wait until its pipe has room. The callback of `send` says that one was written. */
const MOST_UNWRITTEN = 64;

/** With so many ids a message is sent before the turn of the event loop ends. */
const IDS_PER_MESSAGE = 1000;

/** With so many ids that wait, the feed is lost: the worker does not read, or not fast enough. */
const MOST_WAITING = 10_000;

/** Sends the announcements of one turn of the event loop to a worker in one message. */
class WorkerFeed implements SessionFeedSink {
  private readonly source: SessionFeedSource;
  private readonly backlog = new Backlog();
  private unwritten = 0;
  private sending: NodeJS.Immediate | undefined;
  isClosed = false;

  constructor(
    private readonly worker: Worker,
    private readonly store: string,
    readonly number: number,
    sessions: Sessions,
  ) {
    this.source = sessions.watch(this);
  }

  heard(type: Announced, ids: readonly string[]): void {
    this.backlog.add(type, ids);
    if (this.backlog.size >= IDS_PER_MESSAGE) this.flush();
    if (this.backlog.size > MOST_WAITING)
      return this.lost('the worker does not read what is announced to it');
    if (this.backlog.size > 0) this.sending ??= setImmediate(() => this.flush());
  }

  lost(reason: string): void {
    if (this.isClosed) return;
    this.close();
    // This one message may be one too many. It is short, and there is no other after it.
    const message: LostMessage = [TAG, this.store, this.number, reason];
    this.worker.send(message, () => {});
  }

  flush(): void {
    if (this.unwritten < MOST_UNWRITTEN) this.sendAll();
  }

  /** Sends everything, even if messages wait: the worker has just sent a call, so it runs. */
  sendAll(): void {
    clearImmediate(this.sending);
    this.sending = undefined;
    if (this.backlog.size === 0) return;
    const message: EventsMessage = [TAG, this.store, this.number, this.backlog.take()];
    this.unwritten++;
    try {
      this.worker.send(message, () => this.written());
    } catch {
      // Ids of half a gigabyte do not fit into one message.
      this.lost('what is announced does not fit into a message');
    }
  }

  close(): void {
    this.isClosed = true;
    clearImmediate(this.sending);
    this.sending = undefined;
    this.source.close();
    this.backlog.clear();
  }

  private written(): void {
    this.unwritten--;
    if (!this.isClosed && this.backlog.size > 0) this.flush();
  }
}
