import { SessionStoreError } from '../../contract/errors.js';
import type { MongoConnection, Send } from './connection.js';
import { failed } from './errors.js';

/** What a store uses while it opens. */
interface SetUp {
  connection: MongoConnection;
  collection: string;
  /** Sends a command under a deadline of its own. */
  send: Send;
}

/**
 * The indexes of a collection, with the names that MongoDB gives by default. `expiresAt` is in no index that is used
 * for paging or clearing: a session whose expiry moves meanwhile would change its place and be missed.
 */
const INDEXES: { name: string; key: Record<string, number>; expireAfterSeconds?: number }[] = [
  { name: 'expiresAt_1', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
  { name: 'groups_1__id_1', key: { groups: 1, _id: 1 } },
];

/**
 * Creates the missing indexes. Many processes may do it at the same time. If it takes longer than `patience`, because
 * the collection is already large, it continues in the background. Calls work meanwhile, those on groups slowly.
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

/**
 * Rejects a collection with a collation, by which different ids, groups or secret hashes may be equal. If the user may
 * not list collections, the check is skipped.
 */
export async function checkCollation({ collection, send }: SetUp): Promise<void> {
  const command = { listCollections: 1, filter: { name: collection } };
  const { cursor } = (await send(command).catch((error: unknown) => {
    if (codeOf(error) === 'Unauthorized') return { cursor: { firstBatch: [] } };
    throw error;
  })) as { cursor: { firstBatch: { options?: { collation?: unknown } }[] } };
  if (!cursor.firstBatch[0]?.options?.collation) return;
  const problem =
    'the collection has a collation, by which two different ids may be equal. Choose another `collection`, or create it without one';
  throw new SessionStoreError('mongo', 'open', problem);
}

/** Ignores that the user may not create indexes, if they exist. */
async function check(setUp: SetUp, error: unknown): Promise<void> {
  if (codeOf(error) !== 'Unauthorized') throw error;
  const missing: string[] = [];
  for (const { key, expireAfterSeconds } of INDEXES) {
    if (await exists(setUp, key)) continue;
    const options = expireAfterSeconds === undefined ? '' : `, { expireAfterSeconds: ${expireAfterSeconds} }`;
    missing.push(
      `db.getCollection(${JSON.stringify(setUp.collection)}).createIndex(${JSON.stringify(key)}${options})`,
    );
  }
  if (missing.length === 0) return;
  const problem = `the user may not create indexes. As a user with that right, run ${missing.join('; ')}`;
  throw new SessionStoreError('mongo', 'open', problem, {
    cause: failed('open', error, setUp.connection.address).cause,
  });
}

/** Whether an index exists. Uses `explain`, because the user may not be allowed to list indexes. */
async function exists({ collection, send }: SetUp, key: Record<string, number>): Promise<boolean> {
  const explain = { find: collection, hint: key };
  try {
    const { queryPlanner } = await send({ explain, verbosity: 'queryPlanner' });
    // For a collection that does not exist, the plan uses no index.
    return JSON.stringify(queryPlanner).includes('"IXSCAN"');
  } catch (error) {
    if (codeOf(error) === 'BadValue') return false;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as { codeName?: string }).codeName;
}
