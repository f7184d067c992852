// Writes as aggregation pipelines, in which a condition and what depends on it are one atomic step. Strings are under
// `$literal`, or one that starts with `$` would be a path.
import { MOST_GRACES, type SessionChange } from '../../contract/record.js';
import type { Window } from '../shared/clock.js';
import { MARK, dateOf, fieldOf, fieldsOf, type SessionDocument } from './document.js';

/** An expression, or a stage of them. */
export type Expression = Record<string, unknown>;

/** Whether a session is live by the server's clock. */
export const LIVE: Expression = { $gt: ['$expiresAt', '$$NOW'] };

/** Whether a document is a session or was regenerated: not one that has ended, nor one of another program. */
export const IS_SESSION: Expression = { $eq: ['$nestjsSession', MARK.nestjsSession] };

/** Whether a document is a tombstone. */
export const IS_TOMBSTONE: Expression = { $ne: [{ $type: '$until' }, 'missing'] };

const literal = (value: unknown): Expression => ({ $literal: value });
const either = (condition: Expression, then: unknown, otherwise: unknown): Expression => ({
  $cond: [condition, then, otherwise],
});

/** Whether the server's time is in a window. */
export function within({ from, to }: Window): Expression {
  return { $and: [{ $gte: ['$$NOW', new Date(from)] }, { $lte: ['$$NOW', new Date(to)] }] };
}

/** The expiry of a document that was written too late. */
export const TOO_LATE = new Date(0);

/**
 * Writes a document if there is none with its id, or only an expired session. Outside of its window it writes a document
 * that has expired, because a pipeline with `upsert` always inserts. For a query with the mark: if there is a document
 * of another program, or the tombstone of a session that has ended, MongoDB then rejects the insert.
 */
export function creation(document: SessionDocument, window: Window): Expression[] {
  const expiresAt = either(within(window), document.expiresAt, TOO_LATE);
  const isTaken = { $or: [LIVE, IS_TOMBSTONE] };
  return [{ $replaceWith: either(isTaken, '$$ROOT', { $mergeObjects: [literal(document), { expiresAt }] }) }];
}

/** Applies a change. */
export function changing({
  set,
  remove,
  join,
  leave,
  expiresAt,
  touch,
  retirePrevious,
  label,
  seen,
  joinedAt,
  joining,
}: SessionChange): Expression[] {
  const fields: Expression = {
    expiresAt: touch
      ? either({ $eq: ['$expiresAt', dateOf(touch.from)] }, dateOf(touch.to), '$expiresAt')
      : '$expiresAt',
  };
  if (expiresAt !== undefined) fields['expiresAt'] = dateOf(expiresAt);
  if (join?.length || leave?.length) {
    const left = { $setDifference: ['$groups', literal(leave ?? [])] };
    fields['groups'] = { $setUnion: [left, literal(join ?? [])] };
  }
  if (retirePrevious) {
    const applies = { $and: [IS_UNSEEN, { $eq: ['$secretHash', literal(retirePrevious.secretHash)] }] };
    const retired = { $mergeObjects: ['$previous', { validUntil: dateOf(retirePrevious.validUntil) }] };
    fields['previous'] = either(applies, retired, '$previous');
  }
  for (const [path, text] of Object.entries(fieldsOf(set ?? {}, 'data.'))) fields[path] = literal(text);
  if (joinedAt !== undefined) fields['joinedAt'] = dateOf(joinedAt);
  if (label !== undefined) fields['label'] = wordOrNone(label);
  if (joining !== undefined) fields['joining'] = wordOrNone(joining);
  if (seen) Object.assign(fields, seeing(seen));

  const stages: Expression[] = [{ $set: fields }];
  if (remove?.length) stages.push({ $unset: remove.map((name) => `data.${fieldOf(name)}`) });
  return stages;
}

/** A field with this word, or none if it is empty. */
function wordOrNone(word: string): unknown {
  return word === '' ? '$$REMOVE' : literal(word);
}

/** The fields that record a use. Each is computed from the document before the stage. */
function seeing({ at, client }: NonNullable<SessionChange['seen']>): Expression {
  // A missing date is before every other.
  const isLatest = { $lte: ['$lastSeenAt', dateOf(at)] };
  const text = literal(client);
  return {
    lastSeenAt: either(isLatest, dateOf(at), '$lastSeenAt'),
    client: {
      first: { $ifNull: ['$client.first', text] },
      last: either(isLatest, text, { $ifNull: ['$client.last', text] }),
    },
  };
}

/** Rotates by the rules of `SessionStore.rotate`. */
export function rotating(presented: string, secretHash: string, grace: number): Expression[] {
  const since = { $ifNull: ['$previous.since', '$previous.replacedAt'] };
  const isYoung = isWithin('$previous.replacedAt', '$previous.grace');
  const mayHeal = isWithin(since, { $multiply: [MOST_GRACES, '$previous.grace'] });
  const isCurrent = { $eq: ['$secretHash', literal(presented)] };
  const isUnseenBefore = { $and: [IS_UNSEEN, { $eq: ['$previous.hash', literal(presented)] }, mayHeal] };
  const turns = {
    $and: [
      { $ne: ['$secretHash', literal(secretHash)] },
      { $not: [{ $and: [IS_UNSEEN, isYoung] }] },
      { $or: [isCurrent, isUnseenBefore] },
    ],
  };
  const before = { hash: literal(presented), replacedAt: '$$NOW', grace };
  const previous = either(isCurrent, grace === 0 ? '$$REMOVE' : before, { ...before, since });
  return [
    {
      $set: {
        secretHash: either(turns, literal(secretHash), '$secretHash'),
        previous: either(turns, previous, '$previous'),
      },
    },
  ];
}

/** Whether a time after an instant is not over. */
function isWithin(instant: unknown, time: unknown): Expression {
  return { $lt: [{ $subtract: ['$$NOW', instant] }, time] };
}

/** Whether no client has presented the secret of the last rotation yet. */
const IS_UNSEEN: Expression = {
  $and: [
    { $eq: [{ $type: '$previous' }, 'object'] },
    { $eq: [{ $type: '$previous.validUntil' }, 'missing'] },
  ],
};
