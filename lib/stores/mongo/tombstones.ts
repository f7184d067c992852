import { TOMBSTONE_LIFETIME } from '../../contract/record.js';
import { MARK } from './document.js';
import { IS_TOMBSTONE, LIVE, type Expression } from './pipelines.js';

/**
 * The mark of a session that has ended, in the place of `MARK`: the indexes of sessions do not hold it, so that a clear
 * leaves nothing behind in them.
 */
export const ENDED = { nestjsSession: 0 } as const;

/** Documents of this package: sessions, and tombstones of either kind. */
export const OURS = { nestjsSession: { $in: [MARK.nestjsSession, ENDED.nestjsSession] } };

/**
 * The tombstones, as the filter of the index that removes them. That of a session that was regenerated has the mark of a
 * session and its groups, so that a clear finds it where it finds the session. Without `expiresAt` it is never live.
 */
export const TOMBSTONES = { nestjsSession: { $type: 'number' }, until: { $exists: true } };

const until: Expression = { $add: ['$$NOW', TOMBSTONE_LIFETIME] };
const ended: Expression = { _id: '$_id', ...literals(ENDED), until };
const regenerated: Expression = { _id: '$_id', ...literals(MARK), groups: '$groups', until };

/** Puts a tombstone in the place of a session, or in that of the tombstone of one that was regenerated. */
export const ENDING: Expression[] = [{ $replaceWith: ended }];

/** Puts a tombstone in the place of a session that the stages before have made expire. */
export const ENDING_IF_EXPIRED: Expression[] = [{ $replaceWith: { $cond: [LIVE, '$$ROOT', ended] } }];

/** Puts a tombstone in the place of a session that is regenerated. A tombstone stays as it is. */
export const REGENERATING: Expression[] = [
  { $replaceWith: { $cond: [IS_TOMBSTONE, '$$ROOT', regenerated] } },
];

function literals(mark: typeof MARK | typeof ENDED): Expression {
  return { nestjsSession: { $literal: mark.nestjsSession } };
}
