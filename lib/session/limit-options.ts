import type { SessionWhenFull } from '../contract/limit.js';

/** How many sessions a group may have, and what happens when there is one more. */
export interface LimitOptions {
  /** How many sessions the group has at most: 1 or more. */
  max: number;
  /**
   * What happens if the group is full. `'end-oldest'`: the session that joined first ends. `'end-least-recent'`: the
   * session ends that was not used for the longest time; needs the option `client`. `'reject'`: the newcomer does not
   * join, and the call rejects with a `SessionLimitError`.
   */
  whenFull: SessionWhenFull;
}
