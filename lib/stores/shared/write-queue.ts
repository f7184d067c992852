import type { Deadline } from '../../contract/deadline.js';
import type { SessionChange, SessionRef } from '../../contract/record.js';
import type { SessionStoreOperation } from '../../contract/capabilities.js';
import { sizeOf, type SessionWrite, type SessionWriteResult } from './writes.js';

/** A call that writes to a session. */
export interface SessionWriteCall {
  operation: Extract<SessionStoreOperation, 'update' | 'rotate'>;
  ref: SessionRef;
  write: SessionWrite;
  deadline: Deadline;
}

/** Calls whose writes leave together. */
export interface SessionWriteTurn {
  /** The id of their session. */
  id: string;
  /** In the order in which they were called. */
  calls: readonly SessionWriteCall[];
  /** That of the first call, which is the oldest. */
  operation: SessionWriteCall['operation'];
  /** That of the first call. Nothing must start to act after it. */
  deadline: Deadline;
  /** What the turn before has left here, if this one waited for it. Opaque. */
  hint?: unknown;
}

/** How a store sends the writes of a `SessionWriteQueue`. */
export interface SessionWriteSender {
  /**
   * Applies the writes of a turn one after another, all or nothing. Resolves to the result of each. Each must be what
   * the write would have had alone.
   */
  send(turn: SessionWriteTurn): Promise<readonly SessionWriteResult[]>;
  /**
   * Whether `send` rejected because of one of the writes, and certainly wrote nothing. They are then sent one by one, so
   * that only this one fails.
   */
  mayBeOfOne(error: unknown): boolean;
  /** Whether nothing can be sent together with a write, unless before it. Default: never. */
  isLast?(write: SessionWrite): boolean;
  /** How many turns of one session may be in progress in parallel. Default: 1. */
  atOnce?: number;
}

/** How many writes a turn has at most. */
const MOST = 256;

/** How many characters the writes of a turn have at most, if there are several. */
const LONGEST = 1_000_000;

interface Waiting extends SessionWriteCall {
  resolve(result: SessionWriteResult): void;
  reject(error: unknown): void;
  /** Whether it must be sent alone, because a turn with it failed. */
  isAlone: boolean;
}

interface Turn extends SessionWriteTurn {
  calls: readonly Waiting[];
}

/** The writes of one session. */
interface Line {
  id: string;
  underWay: Set<SessionWriteTurn>;
  waiting: Waiting[];
  hint: unknown;
  /** Set while calls wait. */
  timer: NodeJS.Timeout | undefined;
}

/**
 * Lets the writes to one session queue within a process, for a store whose parallel writes to one session conflict. A
 * write that finds none in progress is sent at once. Those that wait are sent together as soon as one is done.
 *
 * Waiting counts towards the deadline of a call. A call whose deadline is over is not sent any more.
 */
export class SessionWriteQueue {
  private readonly lines = new Map<string, Line>();

  private readonly atOnce: number;

  constructor(private readonly sender: SessionWriteSender) {
    this.atOnce = sender.atOnce ?? 1;
  }

  /** What `doUpdate` returns. */
  update(ref: SessionRef, change: SessionChange, deadline: Deadline): Promise<SessionWriteResult> {
    return this.run({ operation: 'update', ref, write: { change }, deadline });
  }

  /** What `doRotate` returns. */
  async rotate(
    ref: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): Promise<string | undefined> {
    const write = { rotation: { presented, secretHash, grace } };
    return (await this.run({ operation: 'rotate', ref, write, deadline }))?.secretHash;
  }

  /** Settles as the write alone would. If it was not done by its deadline, which rejects the call, it may not settle. */
  private run(call: SessionWriteCall): Promise<SessionWriteResult> {
    const line = this.lines.get(call.ref.id);
    if (!line) return this.runFirst(call);
    return new Promise((resolve, reject) => {
      line.waiting.push({ ...call, resolve, reject, isAlone: false });
      this.proceed(line);
    });
  }

  /** Sends a write that finds no other: nearly all of them, so it costs as little as it can. */
  private async runFirst(call: SessionWriteCall): Promise<SessionWriteResult> {
    const { ref, operation, deadline } = call;
    const line = this.begin(ref.id);
    const turn: SessionWriteTurn = { id: ref.id, calls: [call], operation, deadline, hint: undefined };
    line.underWay.add(turn);
    try {
      return (await this.sender.send(turn))[0];
    } finally {
      this.done(line, turn);
    }
  }

  private begin(id: string): Line {
    const line: Line = { id, underWay: new Set(), waiting: [], hint: undefined, timer: undefined };
    this.lines.set(id, line);
    return line;
  }

  /** Sends what can be sent now. */
  private proceed(line: Line): void {
    while (line.waiting.length > 0 && line.underWay.size < this.atOnce) {
      const [first, ...others] = this.take(line);
      if (!first) break;
      const { operation, deadline } = first;
      const turn: Turn = { id: line.id, calls: [first, ...others], operation, deadline, hint: line.hint };
      line.underWay.add(turn);
      void this.send(line, turn);
    }
    if (line.waiting.length > 0) return this.watch(line);
    clearTimeout(line.timer);
    line.timer = undefined;
    if (line.underWay.size === 0) this.lines.delete(line.id);
  }

  /** Takes the calls of the next turn. Calls whose deadline is over are dropped. */
  private take(line: Line): Waiting[] {
    line.waiting = line.waiting.filter(({ deadline }) => !deadline.isOver);
    let size = 0;
    const end = line.waiting.findIndex((call, at, [first]) => {
      size += sizeOf(call.write);
      const before = line.waiting[at - 1];
      if (!first || !before) return false;
      return (
        at === MOST ||
        size > LONGEST ||
        first.isAlone ||
        call.isAlone ||
        this.sender.isLast?.(before.write) === true ||
        !isTimely(call.deadline, first.deadline)
      );
    });
    return line.waiting.splice(0, end < 0 ? line.waiting.length : end);
  }

  private async send(line: Line, turn: Turn): Promise<void> {
    try {
      const results = await this.sender.send(turn);
      for (const [at, call] of turn.calls.entries()) call.resolve(results[at]);
    } catch (error) {
      this.fail(line, turn, error);
    }
    this.done(line, turn);
  }

  private done(line: Line, turn: SessionWriteTurn): void {
    // A turn that took longer than its deadline was not waited for.
    if (!line.underWay.delete(turn)) return;
    line.hint = turn.hint;
    this.proceed(line);
  }

  private fail(line: Line, { calls, deadline }: Turn, error: unknown): void {
    const isOne = calls.length === 1;
    // The deadline was that of the oldest call. The others are rejected by their own.
    if (deadline.isOver && !isOne) return;
    if (isOne || !this.sender.mayBeOfOne(error)) {
      for (const call of calls) call.reject(error);
      return;
    }
    for (const call of calls) call.isAlone = true;
    line.waiting.unshift(...calls);
  }

  /** Waits for turns no longer than until their deadlines, because they may never settle. */
  private watch(line: Line): void {
    const left = Math.min(...[...line.underWay].map(({ deadline }) => deadline.left));
    if (line.timer !== undefined || left === Infinity) return;
    line.timer = setTimeout(
      () => {
        line.timer = undefined;
        for (const turn of line.underWay) if (turn.deadline.isOver) line.underWay.delete(turn);
        this.proceed(line);
      },
      Math.max(0, Math.ceil(left)) + 1,
    );
    // The calls that wait keep the process alive, by their deadlines.
    line.timer.unref();
  }
}

/** Whether a call may have the deadline of an older one: if it loses no more than half of its time. */
function isTimely(deadline: Deadline, oldest: Deadline): boolean {
  return deadline.left <= 2 * oldest.left;
}
