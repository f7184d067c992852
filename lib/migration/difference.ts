import type { SessionChange, SessionRecord } from '../contract/record.js';
import { newTexts } from '../contract/texts.js';

/**
 * The change that was made to a session in the old store while it moved: `before` was copied, and `after` was read again.
 * Leaves out what has been changed in the new store since, where it is `now`. `undefined` if nothing was changed, apart from
 * the secret.
 */
export function differenceOf(
  before: SessionRecord,
  after: SessionRecord,
  now: SessionRecord,
): SessionChange | undefined {
  const change: SessionChange = {
    ...dataDifference(before.data, after.data, now.data),
    ...groupDifference(before.groups, after.groups),
  };
  if (after.expiresAt !== before.expiresAt) change.touch = { from: before.expiresAt, to: after.expiresAt };
  if (after.label !== before.label && now.label === before.label) change.label = after.label ?? '';
  if (after.lastSeenAt !== undefined && after.lastSeenAt !== before.lastSeenAt && after.client)
    change.seen = { at: after.lastSeenAt, client: after.client.last };
  if (after.joinedAt !== undefined && after.joinedAt !== before.joinedAt && now.joinedAt === before.joinedAt)
    change.joinedAt = after.joinedAt;
  if (after.joining !== before.joining && now.joining === before.joining)
    change.joining = after.joining ?? '';
  return Object.keys(change).length === 0 ? undefined : change;
}

type Data = SessionRecord['data'];

function dataDifference(before: Data, after: Data, now: Data): Pick<SessionChange, 'set' | 'remove'> {
  const set = newTexts();
  for (const name of Object.keys(after)) {
    const text = after[name];
    if (text !== undefined && text !== before[name] && now[name] === before[name]) set[name] = text;
  }
  const remove = Object.keys(before).filter((name) => !(name in after) && now[name] === before[name]);
  return { ...(Object.keys(set).length > 0 && { set }), ...(remove.length > 0 && { remove }) };
}

function groupDifference(
  before: readonly string[],
  after: readonly string[],
): Pick<SessionChange, 'join' | 'leave'> {
  const join = after.filter((group) => !before.includes(group));
  const leave = before.filter((group) => !after.includes(group));
  return { ...(join.length > 0 && { join }), ...(leave.length > 0 && { leave }) };
}
