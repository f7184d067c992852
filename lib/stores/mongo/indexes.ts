import { SessionStoreError } from '../../contract/errors.js';
import type { MongoConnection, Send } from './connection.js';
import { failed } from './errors.js';

/** What a store has while it opens. */
interface SetUp {
  connection: MongoConnection;
  collection: string;
  /** Sends a command under a deadline of its own. */
  send: Send;
}

/**
 * What every store of a collection makes, the same names and keys as by hand. `expiresAt` is in none that is paged or
 * cleared along: a session whose expiry moves meanwhile would change its place and be missed.
 */
const INDEXES: { name: string; key: Record<string, number>; expireAfterSeconds?: number }[] = [
  { name: 'expiresAt_1', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
  { name: 'groups_1__id_1', key: { groups: 1, _id: 1 } },
];

/**
 * Makes the indexes that are not there. Many processes may do it at once. When it takes longer than `patience` because
 * the collection is full already, it goes on beside the requests, which work meanwhile, those on groups slowly.
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
  if (outcome === 'late') made.catch((error: unknown) => process.emitWarning(failed('open', error)));
}

/**
 * Refuses a collection that does not tell all texts apart: ids, groups and secret hashes are compared as it does. Who may not
 * ask for that is believed.
 */
export async function checkCollation({ collection, send }: SetUp): Promise<void> {
  const command = { listCollections: 1, filter: { name: collection } };
  const { cursor } = (await send(command).catch((error: unknown) => {
    if (codeOf(error) === 'Unauthorized') return { cursor: { firstBatch: [] } };
    throw error;
  })) as { cursor: { firstBatch: { options?: { collation?: unknown } }[] } };
  if (!cursor.firstBatch[0]?.options?.collation) return;
  const problem =
    'the collection has a collation, by which two ids may be one: choose another `collection`, or make it without';
  throw new SessionStoreError('mongo', 'open', problem);
}

/** Passes over that the user may not make indexes when somebody has made them by hand. */
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
  const problem = `the user may not create indexes: let one who may run ${missing.join('; ')}`;
  throw new SessionStoreError('mongo', 'open', problem, { cause: failed('open', error).cause });
}

/** By asking how it would be used: even a user who may not list indexes may do that. */
async function exists({ collection, send }: SetUp, key: Record<string, number>): Promise<boolean> {
  const explain = { find: collection, hint: key };
  try {
    const { queryPlanner } = await send({ explain, verbosity: 'queryPlanner' });
    // Of a collection that does not exist it says nothing.
    return JSON.stringify(queryPlanner).includes('"IXSCAN"');
  } catch (error) {
    if (codeOf(error) === 'BadValue') return false;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as { codeName?: string }).codeName;
}
