/** An index, as `listIndexes` describes it. */
export interface IndexDescription {
  name: string;
  key: Record<string, unknown>;
  unique?: boolean;
  /** Rejects duplicates of new documents, like `unique`. */
  prepareUnique?: boolean;
  sparse?: boolean;
  expireAfterSeconds?: unknown;
  partialFilterExpression?: Record<string, unknown>;
}

/** The harm that another program's index would do to sessions; `undefined` if it would do none. */
export function harmOf(index: IndexDescription): string | undefined {
  if (!mayHold(index)) return undefined;
  const fields = Object.keys(index.key);
  if ((index.unique || index.prepareUnique) && !fields.includes('_id'))
    return 'reject sessions as duplicates';
  // By an index on `expiresAt` or `until` MongoDB only removes what has expired.
  const removes = index.expireAfterSeconds !== undefined && fields.some((field) => TIMES.has(field));
  return removes ? 'remove live sessions' : undefined;
}

/** The fields of sessions that have a date, but not that of their expiry. */
const TIMES = new Set([
  'createdAt',
  'previous.replacedAt',
  'previous.validUntil',
  'previous.since',
  'lastSeenAt',
  'joinedAt',
]);

/** The fields of sessions and their tombstones, those of `data` and `previous` by the name of the whole. */
const FIELDS = new Set([
  '_id',
  'nestjsSession',
  'secretHash',
  'previous',
  'data',
  'groups',
  'createdAt',
  'expiresAt',
  'from',
  'until',
  'label',
  'lastSeenAt',
  'client',
  'joinedAt',
  'joining',
]);

/** Whether an index may hold sessions. One that requires a field that no session has does not. */
function mayHold({ key, sparse, partialFilterExpression = {} }: IndexDescription): boolean {
  if (sparse && !Object.keys(key).some(isOfSessions)) return false;
  return Object.keys(partialFilterExpression).every(isOfSessions);
}

/** Whether the field of a path is one of sessions or their tombstones. */
export function isOfSessions(path: string): boolean {
  return FIELDS.has(path.split('.', 1)[0]!);
}
