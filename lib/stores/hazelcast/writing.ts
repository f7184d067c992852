import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Deadline } from '../../contract/deadline.js';
import type { SessionRecord } from '../../contract/record.js';
import type { SessionStoreOperation } from '../../contract/capabilities.js';
import type { SessionWriteTurn } from '../shared/write-queue.js';
import { applyWrites, type SessionWrite, type SessionWriteResult } from '../shared/writes.js';
import type { Endings } from './endings.js';
import { MOST_MARKS, isLive, ttlOf, type Envelope, type Envelopes } from './envelope.js';
import { UnclearRaceError } from './errors.js';
import type { JsonMap } from './map.js';
import type { Repairs } from './repair.js';
import type { Projected, Replicas } from './replica.js';
import { isEnded, tombstoneIn } from './tombstone.js';

/** The longest wait of the loser of a race before it tries again, in milliseconds. */
const LONGEST_PAUSE = 50;

/** A call in flight. */
export interface Call {
  sessions: JsonMap;
  deadline: Deadline;
  /** How many races it has lost. */
  lost: number;
}

/** The text of a session as it was last read or written: a write that starts from it needs no read. */
export interface Hint {
  text: string;
}

/**
 * Writes one session. A write replaces the entry only if it is unchanged since it was read. If another writer was
 * first, it reads the entry and tries again, until its deadline.
 */
export class Writing {
  /** @param late makes the error of a call whose deadline is over */
  constructor(
    private readonly envelopes: Envelopes,
    private readonly replicas: Replicas,
    private readonly repairs: Repairs,
    private readonly endings: Endings,
    private readonly late: (operation: SessionStoreOperation, deadline: Deadline) => Error,
    private readonly now: () => number,
  ) {}

  /**
   * Creates a session where there is none, or only an expired one. Resolves to `false` if there is another, or the
   * tombstone of one.
   */
  async create(call: Call, record: SessionRecord): Promise<boolean> {
    const key = this.envelopes.keyOf(record.id);
    const { sessions, deadline } = call;
    const made = this.envelopes.first(record, this.now());
    const projected = this.replicas.project('create', made);
    for (;;) {
      if (deadline.isOver) await this.giveUp('create', call, record.id);
      const now = this.now();
      const isDead = !isLive(made, now);
      const found = await (isDead ? sessions.get(key) : sessions.add(key, made.text, ttlOf(made, now)));
      // A client may send a call twice, and then finds its own entry.
      if (found === undefined || found === made.text) break;
      const tombstone = tombstoneIn(found);
      const other = this.envelopes.read(record.id, found);
      if ((other && isLive(other, now)) || (tombstone && tombstone.until > now)) {
        if (call.lost > 0) await this.repairs.keepAlive(sessions, record.id);
        return other?.record.secretHash === record.secretHash;
      }
      if (isDead || (await this.replace(sessions, found, made, now))) break;
      await this.pause(call);
    }
    if (isLive(made, this.now())) await this.follow(sessions, projected, []);
    return true;
  }

  /** Reads a session, or takes it from a hint, applies writes to it, and writes it if it is unchanged. */
  async revise(call: Call, turn: SessionWriteTurn): Promise<SessionWriteResult[]> {
    const { id, calls, operation } = turn;
    const hints = calls.map(({ ref }) => ref.hint).filter(isHint);
    const latest = isHint(turn.hint) ? turn.hint : hints.at(-1);
    const writes = calls.map(({ write }) => write);
    const key = this.envelopes.keyOf(id);
    const { sessions, deadline } = call;
    const mark = writes.some(actsOnce) ? randomBytes(6).toString('base64url') : undefined;
    for (let known = latest?.text; ; known = undefined) {
      const text = known ?? (await sessions.get(key));
      const now = this.now();
      const found = text === undefined ? undefined : this.envelopes.read(id, text);
      const written = found && isLive(found, now) ? applyWrites(found.record, writes, now) : undefined;
      const next = found && written && this.envelopes.next(found, written.record, now, mark);
      if (!found || !written || !next) {
        // A hint may be stale, so it cannot show that there is nothing to do.
        if (known !== undefined) continue;
        if (call.lost > 0) await this.repairs.keepAlive(sessions, id);
        return written?.results ?? calls.map(() => undefined);
      }
      if (deadline.isOver) await this.giveUp(operation, call, id);
      if (isLive(next, now)) {
        // A bean that throws for one of the writes must fail it, even if a later one fixes that.
        if (!this.replicas.areNone) {
          for (const record of written.steps.slice(0, -1))
            this.replicas.project(operation, { ...next, record });
        }
        const projected = this.replicas.project(operation, next);
        const [isDone, held] = await Promise.all([
          this.replace(sessions, found.text, next, now),
          this.replicas.held(id),
        ]);
        if (isDone || (mark !== undefined && (await this.wasDone(sessions, next, mark, known)))) {
          // The next turn, and the next change with the same record, start from here.
          turn.hint = { text: next.text } satisfies Hint;
          for (const hint of hints) hint.text = next.text;
          await this.follow(sessions, projected, held);
          return written.results;
        }
      } else if (await this.endings.endSame(sessions, found)) {
        return written.results;
      }
      await this.pause(call, calls);
    }
  }

  /**
   * Whether a write that lost a race was done: a member repeats a call whose partition has moved, and then finds what the
   * call itself has written. Rejects if that cannot be told any more, because the write must not be repeated then. Reads
   * the session at once, before many others can write.
   *
   * @param hint the text that the write started from, if it was not read by this call
   */
  private async wasDone(
    sessions: JsonMap,
    { record, version }: Envelope,
    mark: string,
    hint: string | undefined,
  ): Promise<boolean> {
    const current = await this.repairs.current(sessions, record.id);
    if (!current || current.marks.includes(mark)) return current !== undefined;
    // An old hint lost its race long before the call.
    if (hint !== undefined || current.version - version < MOST_MARKS) return false;
    throw new UnclearRaceError();
  }

  /** Puts the tombstone of a regenerated session in its place. Resolves to `false` if the session has ended. */
  async regenerate(call: Call, id: string, hint: unknown): Promise<boolean> {
    const key = this.envelopes.keyOf(id);
    const { sessions, deadline } = call;
    for (let known = isHint(hint) ? hint.text : undefined; ; known = undefined) {
      const text = known ?? (await sessions.get(key));
      const now = this.now();
      const found = text === undefined ? undefined : this.envelopes.read(id, text);
      if (text === undefined || tombstoneIn(text) || (found && !isLive(found, now))) {
        // A hint may be stale, so it cannot show that there is nothing to do.
        if (known !== undefined) continue;
        if (call.lost > 0) await this.repairs.keepAlive(sessions, id);
        return !isEnded(text, now);
      }
      if (deadline.isOver) await this.giveUp('regenerate', call, id);
      const groups = found?.record.groups ?? [];
      if (await this.endings.regenerateSame(sessions, id, text, groups)) return true;
      await this.pause(call);
    }
  }

  private replace(sessions: JsonMap, from: string, next: Envelope, now: number): Promise<boolean> {
    return this.repairs.replace(sessions, next.record.id, from, next.text, ttlOf(next, now));
  }

  /** Updates the replicas of a session that was written. */
  private async follow(sessions: JsonMap, projected: Projected, held: (string | undefined)[]): Promise<void> {
    const { id } = projected.envelope.record;
    await this.repairs.leavingNoOrphan(sessions, id, () =>
      this.replicas.follow(projected, held, () => this.repairs.current(sessions, id)),
    );
  }

  /**
   * Rejects with the error of a late call. A call that did not act in time must not look as if it had acted, or as if
   * the session were gone.
   */
  private async giveUp(
    operation: SessionStoreOperation,
    { sessions, lost, deadline }: Call,
    id: string,
  ): Promise<never> {
    if (lost > 0) await this.repairs.keepAlive(sessions, id);
    throw this.late(operation, deadline);
  }

  /** Waits before the next try: not after the first lost race, and longer after each further one. */
  private async pause(call: Call, callers: readonly { deadline: Deadline }[] = [call]): Promise<void> {
    if (++call.lost > 1) {
      const advice = `Other processes wrote the same session first, ${call.lost} times. Send the requests of one session to fewer processes, or raise the timeout`;
      for (const { deadline } of callers) deadline.advice = advice;
      await wait(Math.random() * Math.min(LONGEST_PAUSE, 2 ** call.lost));
    }
  }
}

/** Whether a write must not be repeated unless it certainly did not act. */
function actsOnce(write: SessionWrite): boolean {
  return 'change' in write && (write.change.add !== undefined || write.change.take !== undefined);
}

function isHint(hint: unknown): hint is Hint {
  return typeof (hint as Hint | undefined)?.text === 'string';
}
