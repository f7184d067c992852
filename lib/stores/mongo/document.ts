import { NEVER, type SessionRecord } from '../../contract/record.js';
import { newTexts } from '../../contract/texts.js';

/**
 * The mark of a session's document, as a field and as a filter. A document without it belongs to another program, and is
 * never read, counted, changed or removed. The value is the version of the format.
 */
export const MARK = { nestjsSession: 1 } as const;

/** A session as a document of the collection. */
export interface SessionDocument {
  _id: string;
  nestjsSession: typeof MARK.nestjsSession;
  secretHash: string;
  previous?: { hash: string; replacedAt: Date; grace: number; validUntil?: Date; since?: Date };
  /** The names are encoded by `fieldOf`. */
  data: Record<string, string>;
  groups: string[];
  createdAt: Date;
  /** A date, because the index that removes expired documents needs one. */
  expiresAt: Date;
  /** The ids of the sessions that were regenerated into this one. */
  from?: string[];
  label?: string;
  lastSeenAt?: Date;
  client?: { first: string; last: string };
  joinedAt?: Date;
  joining?: string;
}

export function documentOf(record: SessionRecord): SessionDocument {
  const { id, secretHash, previous, data, groups, createdAt, expiresAt, from } = record;
  const { label, lastSeenAt, client, joinedAt, joining } = record;
  const document: SessionDocument = {
    _id: id,
    ...MARK,
    secretHash,
    data: fieldsOf(data),
    groups: [...new Set(groups)],
    createdAt: dateOf(createdAt),
    expiresAt: dateOf(expiresAt),
  };
  if (previous) {
    document.previous = {
      hash: previous.hash,
      replacedAt: dateOf(previous.replacedAt),
      grace: previous.grace,
    };
    if (previous.validUntil !== undefined) document.previous.validUntil = dateOf(previous.validUntil);
    if (previous.since !== undefined) document.previous.since = dateOf(previous.since);
  }
  if (from) document.from = [...from];
  if (label !== undefined) document.label = label;
  if (lastSeenAt !== undefined) document.lastSeenAt = dateOf(lastSeenAt);
  if (client) document.client = { first: client.first, last: client.last };
  if (joinedAt !== undefined) document.joinedAt = dateOf(joinedAt);
  if (joining !== undefined) document.joining = joining;
  return document;
}

/** The record in a document. A damaged one is returned as it is: its reader reports it. */
export function recordOf(document: SessionDocument): SessionRecord {
  const { _id: id, secretHash, previous, data, groups, createdAt, expiresAt, from } = document;
  const { label, lastSeenAt, client, joinedAt, joining } = document;
  const record: SessionRecord = {
    id,
    secretHash,
    data: dataOf(data),
    groups,
    createdAt: Number(createdAt),
    expiresAt: Number(expiresAt),
  };
  if (previous) {
    record.previous = {
      hash: previous.hash,
      replacedAt: Number(previous.replacedAt),
      grace: Number(previous.grace),
    };
    if (previous.validUntil !== undefined) record.previous.validUntil = Number(previous.validUntil);
    if (previous.since !== undefined) record.previous.since = Number(previous.since);
  }
  if (from) record.from = from;
  if (label !== undefined) record.label = label;
  if (lastSeenAt !== undefined) record.lastSeenAt = Number(lastSeenAt);
  if (client) record.client = { first: client.first, last: client.last };
  if (joinedAt !== undefined) record.joinedAt = Number(joinedAt);
  if (joining !== undefined) record.joining = joining;
  return record;
}

/** The date of an instant. Exact for every instant since 271 822 BC. */
export function dateOf(instant: number): Date {
  return new Date(Math.max(instant, -NEVER));
}

/** Data by its encoded names. */
export function fieldsOf(data: Record<string, string>, prefix = ''): Record<string, string> {
  return Object.fromEntries(Object.keys(data).map((name) => [prefix + fieldOf(name), data[name] as string]));
}

/**
 * Encodes a name as a field that can be used in a path. There, an empty name, a dot, a NUL and a leading `$` have a
 * meaning. Some names have a meaning for the driver.
 */
export function fieldOf(name: string): string {
  if (name === '') return '%';
  return name.replace(
    /[%.\0]|^\$|^_(?=(?:_proto__|bsontype)$)/g,
    (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function nameOf(field: string): string {
  if (field === '%') return '';
  return field.replace(/%([0-9a-f]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}

function dataOf(fields: Record<string, string>): Record<string, string> {
  const data = newTexts();
  for (const field of Object.keys(fields ?? {})) data[nameOf(field)] = fields[field] as string;
  return data;
}
