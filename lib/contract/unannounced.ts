import type { SessionRef } from './record.js';

/** Marks hints. A symbol of all copies of this package, because a cache may be of another one. */
export const UNANNOUNCED = Symbol.for('nestjs-session-stores/unannounced');

/** Whether the feed of the store that read a record does not announce its changes, so that no cache may keep it. */
export function isUnannounced({ hint }: SessionRef): boolean {
  return Object(hint)[UNANNOUNCED] === true;
}
