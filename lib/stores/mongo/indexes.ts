import { SessionStoreError } from '../../contract/errors.js';
import { codeOf, dropping, indexesOf, type Place } from './collection.js';
import type { MongoConnection } from './connection.js';
import { MARK } from './document.js';
import { failed } from './errors.js';
import type { IndexDescription } from './foreign-index.js';
import { TOMBSTONES } from './tombstones.js';

/** What a store uses while it opens. */
interface SetUp extends Place {
  connection: MongoConnection;
}

/**
 * The index of all sessions, by id. With the expiry, sessions are counted without reading a document. As the last field
 * it changes no session's place among the others; descending, a session whose expiry was moved on is not met again.
 */
export const BY_ID = 'nestjsSession_ids';

/** The index of the sessions of each group, by id. */
export const BY_GROUP = 'nestjsSession_groups';

/**
 * The indexes of a collection. They hold sessions and their tombstones only, so that documents of other programs cost
 * nothing and are never removed. No index that starts with `expiresAt` is used for counting, paging or clearing: a session whose expiry moves
 * meanwhile would change its place, and be counted twice or missed.
 */
export const INDEXES: readonly Index[] = [
  {
    name: 'nestjsSession_expired',
    key: { expiresAt: 1 },
    expireAfterSeconds: 0,
    partialFilterExpression: MARK,
  },
  { name: BY_ID, key: { nestjsSession: 1, _id: 1, expiresAt: -1 }, partialFilterExpression: MARK },
  { name: BY_GROUP, key: { groups: 1, _id: 1 }, partialFilterExpression: MARK },
  {
    name: 'nestjsSession_tombstones',
    key: { until: 1 },
    expireAfterSeconds: 0,
    partialFilterExpression: TOMBSTONES,
  },
];

/**
 * Creates the missing indexes. Many processes may do it at the same time. If it takes longer than `patience`, because
 * the collection is already large, it continues in the background. Calls work meanwhile, those on many sessions slowly.
 */
export async function makeIndexes(setUp: SetUp, patience: number): Promise<void> {
  const made = setUp.connection
    .sendPatiently('open', {
      createIndexes: setUp.collection,
      indexes: INDEXES,
      writeConcern: { w: 'majority' },
    })
    .catch((error: unknown) => check(setUp, error));

  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), patience);
  });
  const outcome = await Promise.race([made, enough]).finally(() => clearTimeout(timer));
  if (outcome === 'late')
    made.catch((error: unknown) => process.emitWarning(failed('open', error, setUp.connection.address)));
}

/** Ignores that the user may not create indexes, if they exist. Names an index that is in the way. */
async function check(setUp: SetUp, error: unknown): Promise<void> {
  const code = codeOf(error);
  if (code === 'IndexOptionsConflict' || code === 'IndexKeySpecsConflict') await nameConflicts(setUp, error);
  if (code !== 'Unauthorized') throw error;
  const missing: string[] = [];
  for (const { key, ...options } of INDEXES) {
    if (await exists(setUp, options)) continue;
    missing.push(
      `db.getCollection(${JSON.stringify(setUp.collection)}).createIndex(${JSON.stringify(key)}, ${JSON.stringify(options)})`,
    );
  }
  if (missing.length > 0)
    rejectOpen(
      setUp,
      `the user may not create indexes. As a user with that right, run ${missing.join('; ')}`,
      error,
    );
}

/** Rejects with the names of the indexes that are in the way of ours. */
async function nameConflicts(setUp: SetUp, error: unknown): Promise<void> {
  const existing = await indexesOf(setUp);
  const names = conflictsIn(existing);
  if (names.length === 0) return;
  const shown = names.map((name) => `"${name}"`).join(', ');
  const problem = `an index has the name or the keys of one that the store creates: ${shown}. ${dropping(setUp, names)}`;
  rejectOpen(setUp, problem, error);
}

/** The names of the indexes that are in the way of ours. */
export function conflictsIn(existing: readonly Index[]): string[] {
  return existing.filter((index) => INDEXES.some((ours) => conflict(ours, index))).map(({ name }) => name);
}

/** Whether MongoDB does not create one index because of the other. */
function conflict(ours: Index, theirs: Index): boolean {
  const isSameName = ours.name === theirs.name;
  const isSameIndex =
    textOf(ours.key, ours.partialFilterExpression) === textOf(theirs.key, theirs.partialFilterExpression);
  const isSameExpiry = textOf(ours.expireAfterSeconds) === textOf(theirs.expireAfterSeconds);
  return (isSameName || isSameIndex) && !(isSameName && isSameIndex && isSameExpiry);
}

type Index = Pick<IndexDescription, 'name' | 'key' | 'partialFilterExpression' | 'expireAfterSeconds'>;

const textOf = (...parts: unknown[]): string => JSON.stringify(parts);

function rejectOpen({ connection }: SetUp, problem: string, error: unknown): never {
  throw new SessionStoreError('mongo', 'open', problem, {
    cause: failed('open', error, connection.address).cause,
  });
}

/** Whether an index exists. Uses `explain`, because the user may not be allowed to list indexes. */
async function exists(
  { collection, send }: SetUp,
  { name, partialFilterExpression: filter }: Omit<Index, 'key'>,
): Promise<boolean> {
  const explain = { find: collection, filter, hint: name };
  try {
    const { queryPlanner } = await send({ explain, verbosity: 'queryPlanner' });
    // For a collection that does not exist, the plan uses no index.
    return JSON.stringify(queryPlanner).includes('"IXSCAN"');
  } catch (error) {
    if (codeOf(error) === 'BadValue') return false;
    throw error;
  }
}
