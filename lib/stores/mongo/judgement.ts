import { atRisk, ok, unknown, type Finding } from '../../contract/examination.js';
import type { Response } from './connection.js';
import { SUBJECTS } from './subjects.js';

/** The protocol of MongoDB 5.0, as `maxWireVersion` of `hello` has it. */
const WIRE_OF_5_0 = 13;

/** @param version that of `buildInfo`; `undefined` if it could not be read */
export function judgeVersion({ maxWireVersion }: Response, version: string | undefined): Finding {
  const found = `The server is MongoDB ${version ?? `with wire version ${String(maxWireVersion)}`}.`;
  if (Number(maxWireVersion) >= WIRE_OF_5_0) return ok(SUBJECTS.version, found);
  return atRisk(
    SUBJECTS.version,
    found,
    'The store needs commands of MongoDB 5.0.',
    'Upgrade to MongoDB 5.0 or newer.',
  );
}

/** @param hello the response of the server that accepts writes */
export function judgeTopology({ msg, setName, hosts, passives, arbiters }: Response): Finding {
  if (msg === 'isdbgrid') {
    return atRisk(
      SUBJECTS.topology,
      'The server is a mongos of a sharded cluster.',
      'The store does not open, because the clocks of the mongos and the shards differ.',
      'Connect to a replica set or a standalone server.',
    );
  }
  if (setName === undefined) {
    return atRisk(
      SUBJECTS.topology,
      'The server is a standalone server, and no replica set.',
      'If its disk is lost, all sessions are, and while it is down every request with a session gets a 503. There are no change streams, so the store has no feed, and the option cache cannot be used.',
      'Convert it to a replica set of three members. One of a single member has a feed, too.',
    );
  }
  const count = (list: unknown): number => (Array.isArray(list) ? list.length : 0);
  const members = count(hosts) + count(passives);
  const shown = `The replica set has ${members === 1 ? 'one member' : `${members} members`} with data${count(arbiters) > 0 ? ', and an arbiter' : ''}.`;
  // A member of its own is a choice. With two, either one stops all writes, so two are worse than one.
  if (members !== 2) return ok(SUBJECTS.topology, shown);
  return atRisk(
    SUBJECTS.topology,
    shown,
    'Each write waits until both members with data have it. While one is down, logins, logouts and changes get a 503.',
    'Add a third member with data.',
  );
}

/** The actions of a user that the store cannot do without. */
const ACTIONS = ['find', 'insert', 'update'];

/** A privilege of a user, as `connectionStatus` describes it. */
interface Privilege {
  resource: { db?: string; collection?: string; anyResource?: boolean };
  actions: string[];
}

/** The actions of a user on one collection; `undefined` if the connection has no login. */
export function actionsOn(
  { authInfo }: Response,
  { db, collection }: { db: string; collection: string },
): ReadonlySet<string> | undefined {
  const { authenticatedUsers: users = [], authenticatedUserPrivileges: privileges = [] } = Object(
    authInfo,
  ) as {
    authenticatedUsers?: unknown[];
    authenticatedUserPrivileges?: Privilege[];
  };
  if (users.length === 0) return undefined;
  // Empty names mean any database, and any collection.
  const isMeant = ({ resource }: Privilege): boolean =>
    resource.anyResource === true ||
    ((resource.db === '' || resource.db === db) &&
      (resource.collection === '' || resource.collection === collection));
  return new Set(privileges.filter(isMeant).flatMap(({ actions }) => actions));
}

export function judgeRights(actions: ReadonlySet<string> | undefined): Finding {
  if (!actions) return ok(SUBJECTS.rights, 'The connection has no login, so no right is missing.');
  const missing = ACTIONS.filter((action) => !actions.has(action));
  if (missing.length === 0) {
    return ok(SUBJECTS.rights, `The user has the actions that the store needs: ${ACTIONS.join(', ')}.`);
  }
  return atRisk(
    SUBJECTS.rights,
    `The user lacks on the collection: ${missing.join(', ')}.`,
    'Requests that need such a call get a 503.',
    'Give the user the role readWrite on the database.',
  );
}

export function judgeFeed({ setName }: Response, actions: ReadonlySet<string> | undefined): Finding {
  if (setName === undefined)
    return unknown(SUBJECTS.feed, 'A standalone server has no feed: see the topology.');
  if (!actions || actions.has('changeStream')) {
    return ok(SUBJECTS.feed, 'The server has change streams, and the user may read them.');
  }
  return atRisk(
    SUBJECTS.feed,
    'The user lacks the action changeStream on the collection.',
    'There is no feed: the option cache cannot be used, and open sockets and streams close only at the next recheck, every 30 seconds by default.',
    'Give the user the role readWrite on the database.',
  );
}

export function judgeForeignDocuments(collection: string, fields: readonly string[] | undefined): Finding {
  if (!fields)
    return ok(
      SUBJECTS.foreignDocuments,
      `The collection "${collection}" has no documents of other programs.`,
    );
  const isOfConnectMongo = fields.includes('session') && fields.includes('expires');
  return atRisk(
    SUBJECTS.foreignDocuments,
    `The collection "${collection}" has documents of another program${isOfConnectMongo ? ', which look like those of connect-mongo' : ''}.`,
    'The store leaves them alone, but the other program may not leave sessions alone: clear() of connect-mongo drops the whole collection, which logs out every user.',
    'Set the option collection of one of them to another name, or remove the documents if no program needs them any more.',
  );
}
