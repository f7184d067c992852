import { copyData, type SessionRecord } from '../../contract/record.js';

/** A copy of a record, with its known fields alone. */
export function copyRecord({
  id,
  secretHash,
  previous,
  data,
  groups,
  createdAt,
  expiresAt,
  from,
  label,
  lastSeenAt,
  client,
  joinedAt,
  joining,
}: SessionRecord): SessionRecord {
  const copy: SessionRecord = {
    id,
    secretHash,
    data: copyData(data),
    groups: [...new Set(groups)],
    createdAt,
    expiresAt,
  };
  if (previous) {
    const { hash, replacedAt, grace, validUntil, since } = previous;
    copy.previous = { hash, replacedAt, grace };
    if (validUntil !== undefined) copy.previous.validUntil = validUntil;
    if (since !== undefined) copy.previous.since = since;
  }
  if (from) copy.from = [...from];
  if (label !== undefined) copy.label = label;
  if (lastSeenAt !== undefined) copy.lastSeenAt = lastSeenAt;
  if (client) copy.client = { first: client.first, last: client.last };
  if (joinedAt !== undefined) copy.joinedAt = joinedAt;
  if (joining !== undefined) copy.joining = joining;
  return copy;
}

/** Freezes a record and its parts, and returns it. */
export function frozen(record: SessionRecord): SessionRecord {
  Object.freeze(record.data);
  Object.freeze(record.groups);
  if (record.previous) Object.freeze(record.previous);
  if (record.client) Object.freeze(record.client);
  return Object.freeze(record);
}

/** How many characters the data of a record has. */
export function lengthOf({ data }: SessionRecord): number {
  let characters = 0;
  for (const name in data) characters += name.length + (data[name] as string).length;
  return characters;
}
