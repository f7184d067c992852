import { atRisk, ok, unknown, type Finding } from '../../contract/examination.js';
import type { Keeping } from './keeping.js';
import { SUBJECTS } from './subjects.js';

/**
 * What can be said of a store without opening it: a directory belongs to the process that serves it.
 *
 * @param isWorker whether the sessions are in the primary of a `node:cluster`
 */
export function examineCluster(keeping: Keeping | undefined, isWorker: boolean): Finding[] {
  return [restartFinding(keeping, isWorker), HOSTS];
}

function restartFinding(keeping: Keeping | undefined, isWorker: boolean): Finding {
  if (keeping) {
    const loses =
      keeping.durability === 'disk'
        ? 'neither a crash nor a loss of power loses an acknowledged change'
        : 'a crash of the process loses nothing, and a loss of power the last changes';
    return ok(
      SUBJECTS.restart,
      `The sessions are kept in a directory with durability '${keeping.durability}': ${loses}.`,
    );
  }
  if (isWorker) {
    return unknown(
      SUBJECTS.restart,
      'The sessions are in the primary, and a worker does not see whether it has a directory.',
      'Look for serveSessions({ directory }) in the primary: without it, a restart of the primary loses all sessions.',
    );
  }
  return atRisk(
    SUBJECTS.restart,
    'The sessions are in memory only.',
    'A restart or crash of the process with the sessions loses all of them, so every deployment logs out every user.',
    'Set directory, in ClusterStore or in serveSessions(), or use another store.',
  );
}

const HOSTS = unknown(
  SUBJECTS.hosts,
  'Only the processes of one node:cluster share the sessions. Whether the app runs in several is not visible.',
  'With several hosts, containers or PM2 instances use RedisStore, MongoStore or HazelcastStore: otherwise a user is logged in on one of them only.',
);
