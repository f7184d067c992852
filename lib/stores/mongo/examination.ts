import type { Deadline } from '../../contract/deadline.js';
import { isStoreError } from '../../contract/errors.js';
import {
  atRisk,
  clockFinding,
  connectionFinding,
  explained,
  notAllowed,
  ok,
  timed,
  unknown,
  type Finding,
} from '../../contract/examination.js';
import { codeOf, description, dropping, type Place } from './collection.js';
import { MongoConnection, type MongoConnectionOptions, type Response, type Send } from './connection.js';
import { failed } from './errors.js';
import { harmOf, type IndexDescription } from './foreign-index.js';
import { INDEXES, conflictsIn } from './indexes.js';
import {
  actionsOn,
  judgeFeed,
  judgeForeignDocuments,
  judgeRights,
  judgeTopology,
  judgeVersion,
} from './judgement.js';
import { SUBJECTS } from './subjects.js';
import { OURS } from './tombstones.js';

/** What an examination of MongoDB needs of its store. */
export interface Examiner {
  options: MongoConnectionOptions;
  collection: string;
  timeout: number;
  /** Runs one step under a deadline. */
  within<T>(operation: 'open' | 'examine', work: (deadline: Deadline) => Promise<T>): Promise<T>;
}

/** Examines the database of a store. It only reads: a store that opens would create its collection and indexes. */
export async function* examineMongo(examiner: Examiner): AsyncGenerator<Finding, void, undefined> {
  const { options, collection, timeout, within } = examiner;
  const connection = new MongoConnection(options, timeout);
  const send: Send = (command) =>
    within('examine', (deadline) =>
      connection.call('examine', deadline, (sendInTime) => sendInTime(command)),
    );
  try {
    let hello: Response;
    try {
      await within('open', () => connection.open());
      const { reply, readAt } = await timed(() => send({ hello: 1 }));
      hello = reply;
      const ahead = (hello['localTime'] as Date).getTime() - readAt;
      yield clockFinding(SUBJECTS.clock, ahead, 'The primary');
    } catch (error) {
      const reason = isStoreError(error) ? error : failed('open', error, connection.address);
      yield connectionFinding(SUBJECTS.connection, reason);
      return;
    }
    yield judgeVersion(hello, await versionOf(send));
    yield judgeTopology(hello);
    yield* rightsFindings(hello, send, { db: connection.database, collection });
    yield* collectionFindings({ collection, send });
  } finally {
    await connection.close();
  }
}

async function versionOf(send: Send): Promise<string | undefined> {
  try {
    return String((await send({ buildInfo: 1 }))['version']);
  } catch {
    // The wire version is enough.
    return undefined;
  }
}

async function* rightsFindings(
  hello: Response,
  send: Send,
  place: { db: string; collection: string },
): AsyncGenerator<Finding, void, undefined> {
  try {
    const actions = actionsOn(await send({ connectionStatus: 1, showPrivileges: true }), place);
    yield judgeRights(actions);
    yield judgeFeed(hello, actions);
  } catch (error) {
    yield denied(SUBJECTS.rights, 'connectionStatus', error);
    yield denied(SUBJECTS.feed, 'connectionStatus', error);
  }
}

async function* collectionFindings(place: Place): AsyncGenerator<Finding, void, undefined> {
  const described = await description(place).catch((error: unknown) => ({ error }));
  if ('error' in described) {
    for (const subject of [SUBJECTS.collection, SUBJECTS.indexes, SUBJECTS.foreignIndexes])
      yield denied(subject, 'listCollections and listIndexes', described.error);
  } else {
    const { exists, problem, indexes } = described;
    if (problem !== undefined) {
      const { problem: found, remedy } = explained(`the collection "${place.collection}" ${problem}`);
      yield atRisk(SUBJECTS.collection, found, 'The store does not open, so the app does not start.', remedy);
      return;
    }
    const found = exists
      ? 'is an ordinary one'
      : 'does not exist yet, and the store creates it when it opens';
    yield ok(SUBJECTS.collection, `The collection "${place.collection}" ${found}.`);
    yield await indexFinding(place, indexes).catch((error) => denied(SUBJECTS.indexes, 'find', error));
    yield foreignIndexFinding(place, indexes);
  }
  yield await foreignDocuments(place);
}

async function indexFinding(place: Place, indexes: readonly IndexDescription[]): Promise<Finding> {
  const conflicts = conflictsIn(indexes);
  if (conflicts.length > 0) {
    return atRisk(
      SUBJECTS.indexes,
      `An index has the name or the keys of one of the store, but is another one: ${conflicts.join(', ')}.`,
      'The store does not open, so the app does not start. An index with another expireAfterSeconds removes live sessions, or keeps expired ones.',
      `${dropping(place, conflicts)}.`,
    );
  }
  const names = new Set(indexes.map(({ name }) => name));
  const missing = INDEXES.map(({ name }) => name).filter((name) => !names.has(name));
  if (missing.length === 0) {
    return ok(
      SUBJECTS.indexes,
      'The four indexes of the store exist, and two of them remove what has expired.',
    );
  }
  if (!(await hasSessions(place))) {
    return ok(
      SUBJECTS.indexes,
      'There are no sessions yet, and the store creates its indexes when it opens.',
    );
  }
  return atRisk(
    SUBJECTS.indexes,
    `There are sessions, but an index of the store is missing: ${missing.join(', ')}.`,
    'Without nestjsSession_expired and nestjsSession_tombstones the collection grows without bound, and without the others lists and "log out everywhere" read the whole collection.',
    'Restart a process of the app, which creates them, as a user with the action createIndex.',
  );
}

async function hasSessions({ collection, send }: Place): Promise<boolean> {
  return (await firstOf(send, { find: collection, filter: OURS, projection: { _id: 1 } })) !== undefined;
}

function foreignIndexFinding(place: Place, indexes: readonly IndexDescription[]): Finding {
  const harmful = indexes.flatMap((index) => {
    const harm = harmOf(index);
    return harm === undefined ? [] : [{ name: index.name, harm }];
  });
  if (harmful.length === 0) {
    return ok(SUBJECTS.foreignIndexes, 'No index of another program would reject or remove sessions.');
  }
  const listed = harmful.map(({ name, harm }) => `"${name}" would ${harm}`).join(', ');
  const names = harmful.map(({ name }) => name);
  return atRisk(
    SUBJECTS.foreignIndexes,
    `An index of another program does harm: ${listed}.`,
    'The store does not open, so the app does not start.',
    `${dropping(place, names)}.`,
  );
}

async function foreignDocuments({ collection, send }: Place): Promise<Finding> {
  const filter = { $nor: [OURS] };
  // The types of two fields alone, because the document is not ours to read.
  const projection = { _id: 0, session: { $type: '$session' }, expires: { $type: '$expires' } };
  try {
    const found = await firstOf(send, { find: collection, filter, projection });
    const fields = found && Object.keys(found).filter((name) => found[name] !== 'missing');
    return judgeForeignDocuments(collection, fields);
  } catch (error) {
    return denied(SUBJECTS.foreignDocuments, 'find', error);
  }
}

async function firstOf(send: Send, find: Record<string, unknown>): Promise<Response | undefined> {
  const { cursor } = (await send({ ...find, limit: 1, singleBatch: true })) as {
    cursor: { firstBatch: Response[] };
  };
  return cursor.firstBatch[0];
}

/** The finding about a command that failed: the user lacks the right, or something else. */
function denied(subject: string, command: string, error: unknown): Finding {
  const code = codeOf(error);
  if (code === 'Unauthorized') {
    return notAllowed(
      subject,
      `The user may not run ${command}.`,
      'Give the user the role readWrite on the database, or check it yourself.',
    );
  }
  if (code === 'MaxTimeMSExpired' || isStoreError(error)) {
    return unknown(subject, `${command} did not end within the timeout.`, 'Give the store a longer timeout.');
  }
  return unknown(subject, `${command} failed with ${code ?? 'an error of the connection'}.`);
}
