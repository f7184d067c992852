import type { SessionFeedSink } from '../../contract/feed.js';
import { isOfSessions } from './foreign-index.js';
import type { Expression } from './pipelines.js';

/** An event of a change stream, as the server sends it: names of fields, and no values. */
export interface ChangeEvent {
  /** `update`, `replace`, `delete`, or the end of the collection. */
  type: string;
  /** Of the document. Absent at the end of the collection. */
  id?: unknown;
  /** The fields that an update changed, or those of the new document. */
  fields?: string[];
}

export type Kind = Parameters<SessionFeedSink['heard']>[0];

/** The end of the path of a field is data of a session, such as a name in `data`. */
const firstPart: Expression = { $arrayElemAt: [{ $split: ['$$this', '.'] }, 0] };
const orNone = (list: unknown): Expression => ({ $ifNull: [list, []] });
// The event of a replace has the whole document, that of an update has not.
const values = { $ifNull: ['$updateDescription.updatedFields', '$fullDocument'] };
const paths = {
  $concatArrays: [
    orNone({ $map: { input: { $objectToArray: values }, in: '$$this.k' } }),
    orNone('$updateDescription.removedFields'),
    orNone('$updateDescription.truncatedArrays.field'),
  ],
};

/** The stages after `$changeStream`. Inserts are left out, because a new session is not announced. */
export const EVENTS: Expression[] = [
  { $match: { operationType: { $ne: 'insert' } } },
  {
    $project: {
      type: '$operationType',
      id: '$documentKey._id',
      fields: { $setUnion: [{ $map: { input: paths, in: firstPart } }] },
    },
  },
];

/** Whether an event says that the collection was dropped or renamed, which ends its change stream. */
export function isEnd({ type }: ChangeEvent): boolean {
  return !/^(update|replace|delete)$/.test(type);
}

/** What events announce, in their order: those of one kind that follow each other as one. */
export function announced(events: readonly ChangeEvent[]): { type: Kind; ids: string[] }[] {
  const all: { type: Kind; ids: string[] }[] = [];
  for (const event of events) {
    const type = kindOf(event);
    if (!type || typeof event.id !== 'string') continue;
    const last = all.at(-1);
    if (last?.type === type) last.ids.push(event.id);
    else all.push({ type, ids: [event.id] });
  }
  return all;
}

/** As what an event is announced. `undefined` if it certainly changed no session. */
function kindOf({ type, fields = [] }: ChangeEvent): Kind | undefined {
  // Of a deleted document only the id is known: that of an expired session, or of a tombstone.
  if (type === 'delete') return 'ended';
  if (fields.includes('until')) return 'ended';
  if (type === 'replace') return 'changed';
  // Only a tombstone changes the mark.
  if (fields.includes('nestjsSession')) return 'ended';
  if (!fields.some(isOfSessions)) return undefined;
  const isRotation = fields.includes('secretHash') && fields.every((field) => OF_ROTATIONS.has(field));
  return isRotation ? 'rotated' : 'changed';
}

const OF_ROTATIONS = new Set(['secretHash', 'previous']);
