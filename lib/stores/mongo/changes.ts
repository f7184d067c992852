import type { Deadline } from '../../contract/deadline.js';
import { applyChange, updateOf, type SessionChange } from '../../contract/record.js';
import type { Window } from '../shared/clock.js';
import type { SessionWriteTurn } from '../shared/write-queue.js';
import {
  applyWrites,
  type SessionRotation,
  type SessionWrite,
  type SessionWriteResult,
} from '../shared/writes.js';
import type { Calls } from './calls.js';
import type { Commands } from './commands.js';
import { MARK, recordOf, type SessionDocument } from './document.js';
import { liveIn } from './filters.js';
import { merged } from './merged.js';
import { operators } from './operators.js';
import { LIVE, changing, rotating, type Expression } from './pipelines.js';
import { ENDING_IF_EXPIRED } from './tombstones.js';
import { adding, namesRead, pathOf } from './values.js';

/** The fields that a write returns. */
export const STATE = { _id: 0, secretHash: 1, expiresAt: 1 };

export interface Written {
  secretHash: string;
  expiresAt: Date;
  /** Absent if the write did not select it. */
  live?: boolean;
}

/** What the results of merged writes follow from: the state before them, and the time at which they were applied. */
const BEFORE = { secretHash: 1, previous: 1, expiresAt: 1, now: '$$NOW' };

/** Sends the changes and rotations of sessions. */
export class Changes {
  constructor(
    private readonly calls: Calls,
    private readonly commands: Commands,
  ) {}

  /** Sends writes of one session, several of them as one command. */
  async send({ id, calls, operation, deadline }: SessionWriteTurn): Promise<SessionWriteResult[]> {
    const writes = calls.map(({ write }) => write);
    const [write] = writes;
    if (writes.length === 1 && write) {
      return [
        'rotation' in write
          ? await this.rotation(id, write.rotation, deadline)
          : namesRead(write.change).length > 0
            ? await this.act(id, write.change, deadline)
            : await this.change(id, write.change, deadline),
      ];
    }
    const before = await this.calls.write(operation, deadline, this.timeIfLive(id), (send, window) =>
      this.commands.findAndModify<SessionDocument & { now: Date }>(send, {
        query: { _id: id, ...liveIn(window) },
        update: [...merged(writes), ...endingOf(writes, window)],
        new: false,
        fields: { ...BEFORE, ...textsRead(writes) },
        hint: { _id: 1 },
      }),
    );
    if (!before) return writes.map(() => undefined);
    return applyWrites(recordOf(before), writes, Number(before.now)).results;
  }

  private async change(id: string, change: SessionChange, deadline: Deadline): Promise<SessionWriteResult> {
    const quick = operators(change);
    const updated = await this.calls.write('update', deadline, this.timeIfLive(id), async (send, window) => {
      const query = { _id: id, ...liveIn(window) };
      // Without the hint MongoDB would also try other indexes, because of the conditions on other fields.
      const hint = { _id: 1 };
      const ending = endingOf([{ change }], window);
      if (ending.length > 0) {
        return this.commands.findAndModify<Written>(send, {
          query,
          update: [...changing(change), ...ending],
          fields: { ...STATE, live: LIVE },
          hint,
        });
      }
      const done =
        quick &&
        (await this.commands.findAndModify<Written>(send, {
          query: { ...query, ...quick.query },
          update: quick.update,
          fields: STATE,
          hint,
        }));
      if (done || (quick && !change.touch && !change.seen)) return done;
      const update = changing(change);
      return this.commands.findAndModify<Written>(send, { query, update, fields: STATE, hint });
    });
    return updated && updated.live !== false ? resultOf(updated) : undefined;
  }

  /** Sends an `add` or a `take`. */
  private async act(id: string, change: SessionChange, deadline: Deadline): Promise<SessionWriteResult> {
    const found = await this.calls.write('update', deadline, this.timeIfLive(id), (send, window) =>
      this.commands.findAndModify<SessionDocument>(send, {
        query: { _id: id, ...liveIn(window) },
        update: change.add
          ? adding(change.add.name, [change.add.by])
          : { $unset: { [pathOf(change.take!)]: '' } },
        new: false,
        fields: { ...STATE, ...textsRead([{ change }]) },
        hint: { _id: 1 },
      }),
    );
    if (!found) return undefined;
    const before = recordOf(found);
    return updateOf(before, change, applyChange(before, change));
  }

  private async rotation(
    id: string,
    { presented, secretHash, grace }: SessionRotation,
    deadline: Deadline,
  ): Promise<SessionWriteResult> {
    const update = rotating(presented, secretHash, grace);
    const rotated = await this.calls.write('rotate', deadline, this.timeIfLive(id), (send, window) =>
      this.commands.findAndModify<Written>(send, {
        query: { _id: id, ...liveIn(window) },
        update,
        fields: STATE,
        hint: { _id: 1 },
      }),
    );
    return rotated && resultOf(rotated);
  }

  private timeIfLive(id: string): ReturnType<Calls['timeIf']> {
    return this.calls.timeIf({ ...MARK, _id: id, $expr: LIVE });
  }
}

/** The texts that writes read, as fields to return. */
function textsRead(writes: readonly SessionWrite[]): Record<string, 1> {
  const names = writes.flatMap((write) => ('change' in write ? namesRead(write.change) : []));
  return Object.fromEntries(names.map((name) => [pathOf(name), 1] as const));
}

/** The stages after those of some writes, if the session may have expired then. */
function endingOf(writes: readonly SessionWrite[], window: Window): Expression[] {
  return writes.some((write) => 'change' in write && mayEnd(write.change, window)) ? ENDING_IF_EXPIRED : [];
}

/** Whether a session may have expired after a change within a window. If not, it is live. */
export function mayEnd({ expiresAt, touch }: SessionChange, { to }: Pick<Window, 'to'>): boolean {
  return (expiresAt ?? touch?.to ?? Infinity) <= to;
}

function resultOf({ expiresAt, secretHash }: Written): SessionWriteResult {
  return { expiresAt: Number(expiresAt), secretHash };
}
