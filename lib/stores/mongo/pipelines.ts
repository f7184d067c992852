// What happens to a document, as the aggregation expressions and stages that MongoDB works out by itself: a condition
// and what depends on it are one step. Texts stand under `$literal`, or one that starts with `$` would be a path.
import type { SessionChange } from '../../contract/store.js';
import type { Window } from '../shared/clock.js';
import { dateOf, fieldOf, fieldsOf, type SessionDocument } from './document.js';

/** An expression, or a stage of them. */
type Expression = Record<string, unknown>;

/** Whether a session lives, by the server's clock. */
export const LIVE: Expression = { $gt: ['$expiresAt', '$$NOW'] };

const literal = (value: unknown): Expression => ({ $literal: value });
const either = (condition: Expression, then: unknown, otherwise: unknown): Expression => ({
  $cond: [condition, then, otherwise],
});

/** Whether the server's time lies in a window. */
export function within({ from, to }: Window): Expression {
  return { $and: [{ $gte: ['$$NOW', new Date(from)] }, { $lte: ['$$NOW', new Date(to)] }] };
}

/** The expiry of what was put too late. */
export const TOO_LATE = new Date(0);

/**
 * Puts a document where there is none, or an expired one. Too late it is put as one that has expired: a pipeline that
 * may insert has no way not to.
 */
export function creation(document: SessionDocument, window: Window): Expression[] {
  const expiresAt = either(within(window), document.expiresAt, TOO_LATE);
  return [{ $replaceWith: either(LIVE, '$$ROOT', { $mergeObjects: [literal(document), { expiresAt }] }) }];
}

export function changing({ set, unset, join, leave, expiresAt, touch, retire }: SessionChange): Expression[] {
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
  if (retire) {
    const applies = { $and: [IS_UNSEEN, { $eq: ['$proof', literal(retire.proof)] }] };
    const retired = { $mergeObjects: ['$was', { until: dateOf(retire.until) }] };
    fields['was'] = either(applies, retired, '$was');
  }
  for (const [path, text] of Object.entries(fieldsOf(set ?? {}, 'data.'))) fields[path] = literal(text);

  const stages: Expression[] = [{ $set: fields }];
  if (unset?.length) stages.push({ $unset: unset.map((name) => `data.${fieldOf(name)}`) });
  return stages;
}

/** The rules of `SessionStore.rotate`. */
export function rotation(presented: string, proof: string, grace: number): Expression[] {
  const isYoung = { $lt: [{ $subtract: ['$$NOW', '$was.at'] }, '$was.grace'] };
  const isCurrent = { $eq: ['$proof', literal(presented)] };
  const isUnseenBefore = { $and: [IS_UNSEEN, { $eq: ['$was.proof', literal(presented)] }] };
  const turns = {
    $and: [
      { $ne: ['$proof', literal(proof)] },
      { $not: [{ $and: [IS_UNSEEN, isYoung] }] },
      { $or: [isCurrent, isUnseenBefore] },
    ],
  };
  const before = { proof: literal(presented), at: '$$NOW', grace };
  const was = grace === 0 ? either(isCurrent, '$$REMOVE', before) : before;
  return [{ $set: { proof: either(turns, literal(proof), '$proof'), was: either(turns, was, '$was') } }];
}

/** Whether there was a rotation whose new secret no client has presented yet. */
const IS_UNSEEN: Expression = {
  $and: [{ $eq: [{ $type: '$was' }, 'object'] }, { $eq: [{ $type: '$was.until' }, 'missing'] }],
};
