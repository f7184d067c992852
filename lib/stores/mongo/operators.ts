import type { SessionChange } from '../../contract/record.js';
import { dateOf, fieldOf, fieldsOf } from './document.js';

/** A condition on a session, and the update if it holds. */
interface Modification {
  query: Record<string, unknown>;
  update: Record<string, unknown>;
}

/**
 * A change as MongoDB's update operators, which cost the server less than a pipeline. Applies only to sessions that
 * match `query`. `undefined` if the change needs a pipeline.
 */
export function operators(change: SessionChange): Modification | undefined {
  const { set, remove, join, leave, expiresAt, touch, retirePrevious, label, seen } = change;
  const { joinedAt, joining } = change;
  // Two operators must not change the same field, and an operator cannot be conditional.
  if (retirePrevious || (join?.length && leave?.length)) return undefined;
  const fields: Record<string, unknown> = fieldsOf(set ?? {}, 'data.');
  const query: Record<string, unknown> = {};
  if (expiresAt !== undefined) {
    fields['expiresAt'] = dateOf(expiresAt);
  } else if (touch) {
    query['expiresAt'] = dateOf(touch.from);
    fields['expiresAt'] = dateOf(touch.to);
  }
  if (joinedAt !== undefined) fields['joinedAt'] = dateOf(joinedAt);
  if (label) fields['label'] = label;
  if (joining) fields['joining'] = joining;
  if (seen) {
    // Of most sessions an earlier use is recorded.
    query['lastSeenAt'] = { $lte: dateOf(seen.at) };
    query['client.first'] = { $exists: true };
    fields['lastSeenAt'] = dateOf(seen.at);
    fields['client.last'] = seen.client;
  }
  const removed = (remove ?? []).map((name) => `data.${fieldOf(name)}`);
  if (label === '') removed.push('label');
  if (joining === '') removed.push('joining');
  const update: Record<string, unknown> = {};
  if (Object.keys(fields).length > 0) update['$set'] = fields;
  if (removed.length > 0) update['$unset'] = Object.fromEntries(removed.map((field) => [field, '']));
  if (join?.length) update['$addToSet'] = { groups: { $each: join } };
  if (leave?.length) update['$pullAll'] = { groups: leave };
  // An update without operators would replace the document.
  return Object.keys(update).length > 0 ? { query, update } : undefined;
}
