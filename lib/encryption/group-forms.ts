import { isSealedGroup } from '../contract/sealed.js';
import type { SealedGroups } from './groups.js';
import type { Encryption } from './options.js';

/** The forms in which the name of a group is stored. */
export interface GroupForms {
  /** The form that is written. */
  written(group: string): string;
  /**
   * All forms in which sessions may be in the group: one, or during a roll-out two, in an order on which all processes
   * agree, because one may continue the page of another.
   */
  all(group: string): [string, ...string[]];
  /** The name in a stored form. `undefined` if it cannot be opened. */
  open(stored: string): string | undefined;
}

/** Names that are stored as they are. */
const PLAIN: GroupForms = { written: (group) => group, all: (group) => [group], open: (stored) => stored };

/**
 * The forms of groups. During a roll-out the sessions of one group are in two: a session stays in the one that it has
 * joined, and is sought in both.
 */
export function groupForms(
  sealed: SealedGroups | undefined,
  { seals, acceptsPlain }: Pick<Encryption, 'seals' | 'acceptsPlain'>,
): GroupForms {
  if (!sealed) return PLAIN;
  return {
    written: (group) => (seals ? sealed.seal(group) : group),
    all: (group) => (acceptsPlain ? [sealed.seal(group), group] : [sealed.seal(group)]),
    open: (stored) => sealed.open(stored) ?? (acceptsPlain && !isSealedGroup(stored) ? stored : undefined),
  };
}
