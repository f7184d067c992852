import { randomBytes } from 'node:crypto';
import { SessionStoreError, tooLarge } from '../../contract/errors.js';
import type { Deadline } from '../../contract/deadline.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type { SessionGroupLimit, SessionLimitedJoin } from '../../contract/limit.js';
import { NEVER, type SessionChange, type SessionRecord, type SessionUpdate } from '../../contract/record.js';
import {
  GREETING,
  TAG,
  UNKNOWN_OPERATION,
  decodeJoin,
  decodeRecord,
  decodeUpdate,
  deliver,
  encodeChange,
  encodeGroup,
  encodeRecord,
  isOurs,
  type Reply,
  type Call,
  type CallsMessage,
  type Operation,
  type WireJoin,
  type WireRecord,
  type WireUpdate,
} from './messages.js';
import type { ClearReach, ClearStep } from './clearing.js';
import { RemoteFeeds } from './feed.js';
import type { SessionSlice } from './sessions.js';

interface Pending {
  operation: string;
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

/** The sessions of one name, as a worker uses them: the methods of `Sessions`, performed by the primary. */
export class RemoteSessions {
  private readonly id = randomBytes(9).toString('base64url');
  /** By the number of the call. No `Map`, because its calls would outlive many garbage collections: see `Deadlines`. */
  private readonly pending: Record<number, Pending> = Object.create(null);
  private readonly feeds = new RemoteFeeds({
    watch: (number, deadline) => this.call(deadline, 'watch', number),
    probe: (number, deadline) => this.call(deadline, 'probe', number),
    unwatch: (number) => this.send([[++this.calls, NEVER, 'unwatch', number]]),
  });
  private unsent: Call[] = [];
  private calls = GREETING;
  private served = false;
  private sending = false;

  constructor(private readonly name: string) {}

  /** Resolves when the primary serves. Earlier calls wait for that. */
  open(deadline: Deadline): Promise<void> {
    if (remotes.size === 0) listen();
    remotes.set(this.id, this);
    const greeted = this.replyTo<void>(GREETING, 'open', deadline);
    this.send([]);
    return greeted;
  }

  close(): void {
    remotes.delete(this.id);
    if (remotes.size === 0) stopListening();
    this.fail('the store was closed before the primary replied');
  }

  create(record: SessionRecord, deadline: Deadline): Promise<boolean> {
    return this.call(deadline, 'create', encodeRecord(record));
  }

  async read(id: string, deadline: Deadline): Promise<SessionRecord | undefined> {
    const record = await this.call<WireRecord | null>(deadline, 'read', id);
    return record ? decodeRecord(record) : undefined;
  }

  async joinLimited(
    id: string,
    { group, max, whenFull }: SessionGroupLimit,
    deadline: Deadline,
  ): Promise<SessionLimitedJoin> {
    return decodeJoin(await this.call<WireJoin>(deadline, 'joinLimited', id, { group, max, whenFull }));
  }

  async update(id: string, change: SessionChange, deadline: Deadline): Promise<SessionUpdate | undefined> {
    return decodeUpdate(await this.call<WireUpdate | null>(deadline, 'update', id, encodeChange(change)));
  }

  async rotate(
    id: string,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): Promise<string | undefined> {
    const current = await this.call<string | null>(deadline, 'rotate', id, presented, secretHash, grace);
    return current ?? undefined;
  }

  destroy(id: string, deadline: Deadline): Promise<boolean> {
    return this.call(deadline, 'destroy', id);
  }

  regenerate(id: string, deadline: Deadline): Promise<boolean> {
    return this.call(deadline, 'regenerate', id);
  }

  haveEnded(ids: readonly string[], deadline: Deadline): Promise<boolean> {
    return this.call(deadline, 'haveEnded', ids);
  }

  async page(
    group: string | undefined,
    after: number,
    limit: number,
    deadline: Deadline,
  ): Promise<SessionSlice> {
    const [records, next] = await this.call<[WireRecord[], number | null]>(
      deadline,
      'page',
      encodeGroup(group),
      after,
      limit,
    );
    return { records: records.map(decodeRecord), next: next ?? undefined };
  }

  count(group: string | undefined, deadline: Deadline): Promise<number> {
    return this.call(deadline, 'count', encodeGroup(group));
  }

  clear(
    group: string | undefined,
    kept: ReadonlySet<string>,
    reach: ClearReach | undefined,
    deadline: Deadline,
  ): Promise<ClearStep> {
    return this.call(deadline, 'clear', encodeGroup(group), [...kept], reach);
  }

  async watch(sink: SessionFeedSink, deadline: Deadline): Promise<SessionFeedSource> {
    try {
      return await this.feeds.open(sink, deadline);
    } catch (error) {
      throw isOfOlderPrimary(error) ? new SessionStoreError('cluster', 'watch', OLDER_PRIMARY) : error;
    }
  }

  /** Passes a message about one of the feeds on to it. */
  hear(feed: number, message: unknown): void {
    this.feeds.hear(feed, message);
  }

  /** Settles the calls that the primary has replied to. A reply to a call that was given up is dropped. */
  settle(replies: Reply[]): void {
    for (const reply of replies) {
      if (!Array.isArray(reply)) continue;
      const [id, value, problem] = reply;
      if (problem === undefined) this.take(id)?.resolve(value);
      else this.reject(id, 'the primary failed. Its error is the cause', new Error(problem));
    }
  }

  /** The primary serves: sends the calls that wait. */
  begin(): void {
    this.served = true;
    this.settle([[GREETING, undefined]]);
    this.schedule();
  }

  /** Rejects all pending calls, and ends the feeds. */
  fail(problem: string): void {
    this.feeds.loseAll(problem);
    this.unsent = [];
    for (const id of Object.keys(this.pending)) this.reject(Number(id), problem);
  }

  private call<T>(deadline: Deadline, operation: Operation, ...args: unknown[]): Promise<T> {
    const id = ++this.calls;
    const reply = this.replyTo<T>(id, operation, deadline);
    this.unsent.push([id, Date.now() + Math.ceil(deadline.left), operation, ...args]);
    this.schedule();
    return reply;
  }

  private replyTo<T>(id: number, operation: string, deadline: Deadline): Promise<T> {
    if (!process.connected) return Promise.reject(new SessionStoreError('cluster', operation, GONE));
    deadline.whenOver = () => void this.take(id);
    return new Promise<T>((resolve, reject) => {
      this.pending[id] = { operation, resolve: resolve as Pending['resolve'], reject };
    });
  }

  /** Sends the calls of one tick together, a few per message, so that simultaneous requests cost few messages. */
  private schedule(): void {
    if (this.sending || !this.served || this.unsent.length === 0) return;
    this.sending = true;
    setImmediate(() => {
      this.sending = false;
      const calls = this.unsent.filter(([id]) => id in this.pending);
      this.unsent = [];
      for (let from = 0; from < calls.length; from += CALLS_PER_MESSAGE) {
        deliver(
          calls.slice(from, from + CALLS_PER_MESSAGE),
          (some) => this.send(some),
          ([id, , operation], error) =>
            this.take(id)?.reject(
              tooLarge('cluster', operation, 'a message to the primary can be, half a gigabyte', error),
            ),
        );
      }
    });
  }

  private send(calls: Call[]): void {
    const message: CallsMessage = [TAG, this.id, this.name, calls];
    process.send?.(message, undefined, undefined, (error) => {
      if (error) for (const [id] of calls) this.reject(id, GONE, error);
    });
  }

  private reject(id: number, problem: string, cause?: unknown): void {
    const pending = this.take(id);
    const options = cause === undefined ? undefined : { cause };
    pending?.reject(new SessionStoreError('cluster', pending.operation, problem, options));
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending[id];
    delete this.pending[id];
    return pending;
  }
}

/**
 * With all calls of a tick in one message, worker and primary take turns waiting for each other. With few calls per
 * message the primary replies to the first while the worker sends the rest. Of 1, 4, 8, 16 and all, 8 gave the most
 * calls per second with 32 in flight on two processors, twice as many as all (`npm run bench -- cluster`).
 */
const CALLS_PER_MESSAGE = 8;
const GONE = 'the channel to the primary is closed. Has the primary exited, or disconnected this worker?';

const OLDER_PRIMARY =
  'the primary runs an older version of this package, whose sessions have no feed. Restart the primary';

function isOfOlderPrimary(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && cause.message.endsWith(UNKNOWN_OPERATION);
}

const remotes = new Map<string, RemoteSessions>();

function listen(): void {
  process.on('message', receive);
  process.on('disconnect', failAll);
}

function stopListening(): void {
  process.off('message', receive);
  process.off('disconnect', failAll);
}

function receive(message: unknown): void {
  if (!isOurs(message)) return;
  const [, to, third, fourth] = message;
  if (message.length === 1) for (const remote of remotes.values()) remote.begin();
  else if (typeof to !== 'string') return;
  else if (Array.isArray(third)) remotes.get(to)?.settle(third);
  else if (typeof third === 'number') remotes.get(to)?.hear(third, fourth);
}

function failAll(): void {
  for (const remote of remotes.values()) remote.fail(GONE);
}
