import { SessionStoreError } from '../../contract/errors.js';
import type { Response, Send } from './connection.js';
import { harmOf, type IndexDescription } from './foreign-index.js';

/** A collection, and how to send commands to its database under a deadline of their own. */
export interface Place {
  collection: string;
  send: Send;
}

/**
 * Rejects a collection in which sessions could not be kept, or would be removed or rejected by an index of another
 * program. What the user may not list is not checked.
 */
export async function checkCollection(place: Place): Promise<void> {
  const [collection] = await listed<Collection>(place, LISTING.collection(place));
  if (!collection) return;
  const problem = problemOf(collection);
  if (problem) reject(`the collection ${problem}`);
  for (const index of await indexesOf(place)) {
    const harm = harmOf(index);
    if (harm)
      reject(`the index "${index.name}" of another program would ${harm}. ${dropping(place, [index.name])}`);
  }
}

/** The indexes of a collection; none if the user may not list them. */
export function indexesOf(place: Place): Promise<IndexDescription[]> {
  return listed<IndexDescription>(place, LISTING.indexes(place));
}

/** The collection and its indexes. Rejects if the user may not list them. */
export async function description(
  place: Place,
): Promise<{ exists: boolean; problem: string | undefined; indexes: IndexDescription[] }> {
  const [collection] = await listing<Collection>(place, LISTING.collection(place));
  const problem = collection && problemOf(collection);
  // A view has none.
  const indexes = problem === undefined ? await listing<IndexDescription>(place, LISTING.indexes(place)) : [];
  return { exists: collection !== undefined, problem, indexes };
}

/** The commands that list a collection and its indexes. */
const LISTING = {
  collection: ({ collection }: Place) => ({ listCollections: 1, filter: { name: collection } }),
  indexes: ({ collection }: Place) => ({ listIndexes: collection }),
};

/** How to get rid of indexes that are in the way. */
export function dropping({ collection }: Place, names: string[]): string {
  const commands = names.map(
    (name) => `db.getCollection(${JSON.stringify(collection)}).dropIndex(${JSON.stringify(name)})`,
  );
  return `Choose another \`collection\`, or, if no program needs it any more, run ${commands.join('; ')}`;
}

export function codeOf(error: unknown): string | undefined {
  return (error as { codeName?: string }).codeName;
}

/** A collection, as `listCollections` describes it. */
interface Collection {
  type: string;
  options?: { capped?: boolean; collation?: unknown };
}

/** Why a collection cannot hold sessions. */
function problemOf({ type, options = {} }: Collection): string | undefined {
  if (type === 'view') return `is a view, which stores nothing. ${CHOOSE}`;
  if (type === 'timeseries') return `is a time series, whose documents cannot change. ${CHOOSE}`;
  if (options.capped) return `is capped, so MongoDB would remove live sessions when it is full. ${CHOOSE}`;
  if (options.collation)
    return `has a collation, by which two different ids may be equal. ${CHOOSE}, or create it without one`;
  return undefined;
}

const CHOOSE = 'Choose another `collection`';

/** The descriptions that a listing command returns; none without the right to list, or a collection. */
async function listed<T>(place: Place, command: Response): Promise<T[]> {
  try {
    return await listing(place, command);
  } catch (error) {
    if (codeOf(error) === 'Unauthorized') return [];
    throw error;
  }
}

/** The descriptions that a listing command returns; none without a collection. */
async function listing<T>({ send }: Place, command: Response): Promise<T[]> {
  try {
    const { cursor } = (await send(command)) as { cursor: { firstBatch: T[] } };
    return cursor.firstBatch;
  } catch (error) {
    if (codeOf(error) === 'NamespaceNotFound') return [];
    throw error;
  }
}

function reject(problem: string): never {
  throw new SessionStoreError('mongo', 'open', problem);
}
