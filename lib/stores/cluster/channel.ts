import { randomBytes } from 'node:crypto';
import { SessionStoreError } from '../../contract/errors.js';
import type { SessionChange, SessionRecord } from '../../contract/store.js';
import {
  TAG,
  decodeRecord,
  deliver,
  encodeChange,
  encodeGroup,
  encodeRecord,
  isOurs,
  type Answer,
  type Call,
  type CallsMessage,
  type Operation,
  type WireRecord,
} from './messages.js';
import type { ClearReach, ClearStep, SessionSlice } from './sessions.js';

interface Pending {
  operation: string;
  /** On the clock of `performance.now()`, which nobody sets. */
  lateAt: number;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** The sessions of one name as a worker reaches them: what `Sessions` does, answered by the primary. */
export class RemoteSessions {
  private readonly id = randomBytes(9).toString('base64url');
  private readonly pending = new Map<number, Pending>();
  private unsent: Call[] = [];
  private calls = GREETING;
  private served = false;
  private sending = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly name: string,
    private readonly timeout: number,
  ) {}

  /** Resolves when the primary serves; calls made before that wait. */
  open(): Promise<void> {
    if (remotes.size === 0) listen();
    remotes.set(this.id, this);
    const greeted = this.answerTo<void>(GREETING, 'open');
    this.send([]);
    return greeted;
  }

  close(): void {
    remotes.delete(this.id);
    if (remotes.size === 0) stopListening();
    this.fail('the store was closed before the primary answered');
  }

  create(record: SessionRecord): Promise<boolean> {
    return this.call('create', encodeRecord(record));
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    const record = await this.call<WireRecord | null>('read', id);
    return record ? decodeRecord(record) : undefined;
  }

  async update(
    id: string,
    change: SessionChange,
  ): Promise<{ expiresAt: number; secretHash: string } | undefined> {
    const current = await this.call<[number, string] | null>('update', id, encodeChange(change));
    return current ? { expiresAt: current[0], secretHash: current[1] } : undefined;
  }

  async rotate(
    id: string,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    return (await this.call<string | null>('rotate', id, presented, secretHash, grace)) ?? undefined;
  }

  destroy(id: string): Promise<boolean> {
    return this.call('destroy', id);
  }

  async page(group: string | undefined, after: number, limit: number): Promise<SessionSlice> {
    const [records, next] = await this.call<[WireRecord[], number | null]>(
      'page',
      encodeGroup(group),
      after,
      limit,
    );
    return { records: records.map(decodeRecord), next: next ?? undefined };
  }

  count(group?: string): Promise<number> {
    return this.call('count', encodeGroup(group));
  }

  clear(group: string | undefined, kept: ReadonlySet<string>, reach?: ClearReach): Promise<ClearStep> {
    return this.call('clear', encodeGroup(group), [...kept], reach);
  }

  /** Takes what the primary sent; what nobody waits for any more is dropped. */
  settle(answers: Answer[]): void {
    for (const answer of answers) {
      if (!Array.isArray(answer)) continue;
      const [id, value, problem] = answer;
      if (problem === undefined) this.take(id)?.resolve(value);
      else this.refuse(id, 'the primary failed, for the reason in `cause`', new Error(problem));
    }
  }

  begin(): void {
    this.served = true;
    this.settle([[GREETING, undefined]]);
    this.schedule();
  }

  fail(problem: string): void {
    this.unsent = [];
    for (const id of this.pending.keys()) this.refuse(id, problem);
  }

  private call<T>(operation: Operation, ...args: unknown[]): Promise<T> {
    const id = ++this.calls;
    const answer = this.answerTo<T>(id, operation);
    this.unsent.push([id, Date.now() + this.timeout, operation, ...args]);
    this.schedule();
    return answer;
  }

  private answerTo<T>(id: number, operation: string): Promise<T> {
    if (!process.connected) return Promise.reject(new SessionStoreError('cluster', operation, GONE));
    return new Promise<T>((resolve, reject) => {
      const lateAt = performance.now() + this.timeout;
      this.pending.set(id, { operation, lateAt, resolve: resolve as Pending['resolve'], reject });
      this.watch(this.timeout);
    });
  }

  /** One timer for all calls, whose deadlines come in their order: one each costs a tenth of a call. */
  private watch(delay: number): void {
    // After a turn for what came in while this worker was busy.
    this.timer ??= setTimeout(() => setImmediate(() => this.refuseLate()), delay).unref();
  }

  private refuseLate(): void {
    this.timer = undefined;
    const now = performance.now();
    for (const [id, { lateAt }] of this.pending) {
      if (lateAt > now) return this.watch(Math.ceil(lateAt - now));
      this.refuse(id, `no answer from the primary in ${this.timeout} ms: ${SERVE}`);
    }
  }

  /** The calls of a tick go together, a few to a message: requests that arrived at once cost few messages. */
  private schedule(): void {
    if (this.sending || !this.served || this.unsent.length === 0) return;
    this.sending = true;
    setImmediate(() => {
      this.sending = false;
      const calls = this.unsent.filter(([id]) => this.pending.has(id));
      this.unsent = [];
      for (let from = 0; from < calls.length; from += CALLS_PER_MESSAGE) {
        deliver(
          calls.slice(from, from + CALLS_PER_MESSAGE),
          (some) => this.send(some),
          ([id], error) => this.refuse(id, 'it cannot be sent to the primary', error),
        );
      }
    });
  }

  private send(calls: Call[]): void {
    const message: CallsMessage = [TAG, this.id, this.name, calls];
    process.send?.(message, undefined, undefined, (error) => {
      if (error) for (const [id] of calls) this.refuse(id, GONE, error);
    });
  }

  private refuse(id: number, problem: string, cause?: unknown): void {
    const pending = this.take(id);
    const options = cause === undefined ? undefined : { cause };
    pending?.reject(new SessionStoreError('cluster', pending.operation, problem, options));
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }
}

/**
 * With all calls of a tick in one message, worker and primary wait for each other by turns; with few in each the primary
 * answers the first while the worker sends the rest. Of 1, 4, 8, 16 and all, 8 gave the most calls a second with 32 in
 * flight on two processors, twice as many as all (`npm run bench -- cluster`).
 */
const CALLS_PER_MESSAGE = 8;
const GREETING = 0;
const SERVE = 'call serveSessions() in the primary before forking';
const GONE = 'the channel to the primary is closed: it has ended or let this worker go';

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
  const [, to, answers] = message;
  if (message.length === 1) for (const remote of remotes.values()) remote.begin();
  else if (typeof to === 'string' && Array.isArray(answers)) remotes.get(to)?.settle(answers);
}

function failAll(): void {
  for (const remote of remotes.values()) remote.fail(GONE);
}
