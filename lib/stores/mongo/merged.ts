import type { SessionChange } from '../../contract/record.js';
import type { SessionWrite } from '../shared/writes.js';
import { dateOf } from './document.js';
import { changing, rotating, type Expression } from './pipelines.js';
import { adding } from './values.js';

/**
 * Applies writes one after another, as one pipeline. None of them may end the session but the last, because a pipeline
 * goes on.
 *
 * Data and groups, the expiry, the uses, and the secret do not depend on each other. So each has its own steps. An `add`
 * depends on the data before it, so those that follow each other are a stage of their own.
 */
export function merged(writes: readonly SessionWrite[]): Expression[] {
  const steps: (Content | Adds)[] = [];
  const expiry = new Expiry();
  const secret: Expression[] = [];
  const use: SessionChange = {};
  const uses: Expression[] = [];
  for (const write of writes) {
    if ('rotation' in write) {
      const { presented, secretHash, grace } = write.rotation;
      secret.push(...rotating(presented, secretHash, grace));
      continue;
    }
    const { add, take, retirePrevious, label, joinedAt, joining, seen } = write.change;
    const step = steps.at(-1);
    if (add) {
      if (step instanceof Adds && step.name === add.name) step.numbers.push(add.by);
      else steps.push(new Adds(add.name, [add.by]));
      continue;
    }
    const content = step instanceof Content ? step : new Content();
    if (content !== step) steps.push(content);
    content.add(take === undefined ? write.change : { remove: [take] });
    expiry.add(write.change);
    if (retirePrevious) secret.push(...changing({ retirePrevious }));
    if (label !== undefined) use.label = label;
    if (joinedAt !== undefined) use.joinedAt = joinedAt;
    if (joining !== undefined) use.joining = joining;
    if (seen) uses.push(...changing({ seen }));
  }
  // The last content is one stage with what follows.
  const last = steps.at(-1) instanceof Content ? (steps.pop() as Content).change : {};
  const content = steps.flatMap((step) => step.stages);
  const rest = changing({ ...last, ...expiry.change, ...use });
  return [...content, ...rest, ...expiry.moving, ...uses, ...secret];
}

/** What changes do to the data and the groups, one after another. */
class Content {
  private readonly set = new Map<string, string>();
  private readonly remove = new Set<string>();
  private readonly join = new Set<string>();
  private readonly leave = new Set<string>();

  add({ set = {}, remove = [], join = [], leave = [] }: SessionChange): void {
    for (const name of Object.keys(set)) {
      this.set.set(name, set[name] as string);
      this.remove.delete(name);
    }
    for (const name of remove) {
      this.set.delete(name);
      this.remove.add(name);
    }
    for (const group of join) {
      this.join.add(group);
      this.leave.delete(group);
    }
    for (const group of leave) {
      this.join.delete(group);
      this.leave.add(group);
    }
  }

  get stages(): Expression[] {
    return changing(this.change);
  }

  get change(): SessionChange {
    return {
      // Also a property of the name `__proto__`.
      set: Object.fromEntries(this.set),
      remove: [...this.remove],
      join: [...this.join],
      leave: [...this.leave],
    };
  }
}

/** Numbers that are added to one property, one after another. */
class Adds {
  constructor(
    readonly name: string,
    readonly numbers: number[],
  ) {}

  get stages(): Expression[] {
    return adding(this.name, this.numbers);
  }
}

/** What changes do to the expiry, one after another. */
class Expiry {
  /** Set by a change, whatever the expiry was. */
  private fixed: number | undefined;
  /** Otherwise: the expiry before → the expiry after. Any other expiry stays. */
  private readonly moves = new Map<number, number>();

  add({ expiresAt, touch }: SessionChange): void {
    if (expiresAt !== undefined) this.fixed = expiresAt;
    else if (touch) this.touch(touch);
  }

  private touch({ from, to }: { from: number; to: number }): void {
    if (this.fixed !== undefined) {
      if (this.fixed === from) this.fixed = to;
      return;
    }
    const isStart = !this.moves.has(from);
    for (const [start, now] of this.moves) if (now === from) this.moves.set(start, to);
    if (isStart) this.moves.set(from, to);
  }

  get change(): SessionChange {
    return this.fixed === undefined ? {} : { expiresAt: this.fixed };
  }

  /** The stage that moves the expiry. */
  get moving(): Expression[] {
    if (this.fixed !== undefined || this.moves.size === 0) return [];
    const from = [...this.moves.keys()].map(dateOf);
    const to = [...this.moves.values()].map(dateOf);
    // The position of an expiry that is not found is -1, which means the last element.
    const moved = { $arrayElemAt: [[...to, '$expiresAt'], { $indexOfArray: [from, '$expiresAt'] }] };
    return [{ $set: { expiresAt: moved } }];
  }
}
