import type { Window } from '../shared/clock.js';
import { MARK } from './document.js';
import { LIVE, within } from './pipelines.js';

/** The sessions of a group, or all, after an id and up to another. */
export interface Range {
  group?: string | undefined;
  after?: string | undefined;
  last?: string | undefined;
}

/** The filter for a range of sessions, live or not. */
export function between({ group, after, last }: Range): Record<string, unknown> {
  // The lower bound leaves out copies of sessions whose `_id`s are not strings.
  const from = after === undefined ? { $gte: '' } : { $gt: after };
  return {
    ...MARK,
    ...(group !== undefined && { groups: group }),
    _id: { ...from, ...(last !== undefined && { $lte: last }) },
  };
}

/** The filter for a live session, which holds only within a window. */
export function liveIn(window: Window): Record<string, unknown> {
  return { ...MARK, $expr: { $and: [LIVE, within(window)] } };
}
