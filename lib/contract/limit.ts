import { pagesOf } from './pages.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from './record.js';

/**
 * What a group does when it is full.
 *
 * - `end-oldest`: the session that joined first ends.
 * - `end-least-recent`: the session ends that was not used for the longest time.
 * - `reject`: the newcomer does not join.
 */
export type SessionWhenFull = (typeof WHEN_FULL)[number];

/** All of them. */
export const WHEN_FULL = ['end-oldest', 'end-least-recent', 'reject'] as const;

/** A group that has room for a limited number of sessions. */
export interface SessionGroupLimit {
  group: string;
  /** How many sessions the group has at most: 1 or more. */
  max: number;
  whenFull: SessionWhenFull;
}

/**
 * The outcome of a join with a limit.
 *
 * - `joined`: the session is a member. `ended` are the sessions that made room, as they were read when they were chosen.
 * - `full`: it is not a member, because the others fill the group.
 * - `gone`: it has ended, or was itself among those that are too many, and then it was destroyed.
 */
export type SessionLimitedJoin =
  | { is: 'joined'; ended: SessionRecord[] }
  | { is: 'full'; members: SessionRecord[] }
  | { is: 'gone' };

/** The steps of {@link joinInSteps}, each with a deadline of its own. */
export interface LimitedJoinSteps {
  now(): number;
  page(options: SessionPageOptions): Promise<SessionPage>;
  update(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined>;
  /** Destroys a session. Resolves to whether it was live. */
  destroy(id: string): Promise<boolean>;
}

/** How many sessions are destroyed in parallel. */
const AT_ONCE = 32;

/**
 * Joins a group with a limit on a store that cannot do it in one step: looks at the group, joins, looks again, and ends
 * the sessions that are too many before it resolves.
 *
 * Of the sessions whose joins have resolved, never more than `max` are live: the one that looked last saw all others. All
 * processes end the sessions in one order, which does not depend on what each has seen, so that the newest sessions
 * survive, and parallel newcomers never all end each other.
 *
 * A session that stops between the two looks stays marked as `joining`, so that its next join looks again.
 */
export async function joinInSteps(
  record: SessionRef,
  limit: SessionGroupLimit,
  steps: LimitedJoinSteps,
): Promise<SessionLimitedJoin> {
  const { id } = record;
  const { group, max, whenFull } = limit;
  const before = await membersOf(group, steps);
  const self = before.find((member) => member.id === id);
  if (self && self.joining !== markOf(group)) return { is: 'joined', ended: [] };
  if (!self) {
    if (whenFull === 'reject' && before.length >= max) return { is: 'full', members: before };
    const joinedAt = joinAfter(before, steps.now());
    const joined = await steps.update(record, { join: [group], joinedAt, joining: markOf(group) });
    if (!joined) return { is: 'gone' };
  }

  const members = await membersOf(group, steps);
  const inside = members.find((member) => member.id === id);
  if (!inside) return { is: 'gone' };
  if (whenFull === 'reject' && members.length > max) {
    await steps.update(inside, { leave: [group], joining: '' });
    return { is: 'full', members: members.filter((member) => member.id !== id) };
  }
  const excess = excessOf(members, limit, id);
  const ended = await endAll(excess, steps);
  if (excess.some((member) => member.id === id)) return { is: 'gone' };
  return (await steps.update(inside, { joining: '' })) ? { is: 'joined', ended } : { is: 'gone' };
}

/** The `joining` of a session that joins a group: never empty, because the empty text removes it. */
function markOf(group: string): string {
  return `=${group}`;
}

async function membersOf(group: string, steps: LimitedJoinSteps): Promise<SessionRecord[]> {
  const members = new Map<string, SessionRecord>();
  for await (const records of pagesOf(steps, group)) for (const one of records) members.set(one.id, one);
  return [...members.values()];
}

async function endAll(excess: readonly SessionRecord[], steps: LimitedJoinSteps): Promise<SessionRecord[]> {
  const ended: SessionRecord[] = [];
  for (let at = 0; at < excess.length; at += AT_ONCE) {
    const some = excess.slice(at, at + AT_ONCE);
    const wereLive = await Promise.all(some.map((member) => steps.destroy(member.id)));
    ended.push(...some.filter((_, index) => wereLive[index]));
  }
  return ended;
}

/**
 * Sessions that joined less than this before the newcomer, in milliseconds, count as newcomers too: their joins may not
 * have resolved. Longer than a join takes whose calls keep the default `timeout`.
 */
export const NEWCOMER_FOR = 10_000;

/**
 * The members that are too many when `newcomer`, one of them, has joined. The first one makes room first: before all others
 * those whose join was begun, and never completed, because their process has stopped.
 */
export function excessOf(
  members: readonly SessionRecord[],
  { group, max, whenFull }: SessionGroupLimit,
  newcomer: string,
): SessionRecord[] {
  if (members.length <= max) return [];
  const self = members.find(({ id }) => id === newcomer);
  const newSince = self ? joinOf(self) - NEWCOMER_FOR : Infinity;
  const place = (member: SessionRecord): [rank: number, at: number] => {
    const joinedAt = joinOf(member);
    // By the last use all newcomers would be alike, and a use meanwhile would change their order.
    if (joinedAt >= newSince) return [2, joinedAt];
    if (member.joining === markOf(group)) return [0, joinedAt];
    const usedAt = Math.max(member.lastSeenAt ?? joinedAt, joinedAt);
    return [1, whenFull === 'end-least-recent' ? usedAt : joinedAt];
  };
  const inOrder = members.toSorted((one, other) => {
    const [rank, at] = place(one);
    const [otherRank, otherAt] = place(other);
    return rank - otherRank || at - otherAt || (one.id < other.id ? -1 : 1);
  });
  return inOrder.slice(0, members.length - max);
}

/**
 * When a session joins that finds `members` in the group: after all of them, even if the clock of a process by which they
 * joined is ahead of `now`. Otherwise it would be the first to make room.
 */
export function joinAfter(members: readonly SessionRecord[], now: number): number {
  return members.reduce((last, member) => Math.max(last, joinOf(member) + 1), now);
}

/** When a session joined; when it was created, if it joined without a limit. */
export function joinOf({ joinedAt, createdAt }: SessionRecord): number {
  return joinedAt ?? createdAt;
}
