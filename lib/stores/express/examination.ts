import { atRisk, ok, unknown, type Finding } from '../../contract/examination.js';
import { SUBJECTS } from './subjects.js';

/** The optional methods of a store for express-session. */
interface Methods {
  all?: unknown;
  length?: unknown;
  clear?: unknown;
}

/** The guarantees that a store for express-session cannot keep, whatever its backend. */
export function examineExpress(name: string, store: Methods): Finding[] {
  return [
    atRisk(
      SUBJECTS.secrets,
      `${name} keeps no secrets, so the session id is the credential.`,
      'A copy of the database and the option secret together give access to every session.',
      `Protect the database like passwords. ${INSTEAD}`,
    ),
    atRisk(
      SUBJECTS.writes,
      `${name} writes sessions as a whole.`,
      'Of two parallel requests that change a session, the later one undoes the other. Parallel add() may lose counts, and parallel take() may get the same value.',
      INSTEAD,
    ),
    atRisk(
      SUBJECTS.endings,
      `${name} keeps no tombstones.`,
      'A slower request brings back a session that was destroyed meanwhile, so a logout may be undone.',
      INSTEAD,
    ),
    atRisk(
      SUBJECTS.groups,
      `${name} keeps no groups.`,
      '"Log out everywhere" and limits per user are not possible (ASVS 7.1.2, 7.4.2, 7.4.3).',
      INSTEAD,
    ),
    atRisk(
      SUBJECTS.age,
      `${name} keeps no creation time.`,
      'absoluteTimeout is not possible, so a session that is used lives forever (ASVS 7.3.2).',
      INSTEAD,
    ),
    listsFinding(name, store),
    unknown(
      SUBJECTS.backend,
      `The backend of ${name} cannot be examined.`,
      'Check eviction, persistence and replication of its backend yourself.',
    ),
  ];
}

function listsFinding(name: string, store: Methods): Finding {
  const missing = (['all', 'length', 'clear'] as const).filter(
    (method) => typeof store[method] !== 'function',
  );
  if (!missing.includes('all')) return ok(SUBJECTS.lists, `${name} can list, count and clear all sessions.`);
  return atRisk(
    SUBJECTS.lists,
    `${name} has no ${missing.map((method) => `${method}()`).join(', ')}.`,
    'Sessions cannot be listed, and administrators cannot find one to end it (ASVS 7.4.5).',
    INSTEAD,
  );
}

const INSTEAD = 'Use RedisStore, MongoStore, HazelcastStore or ClusterStore, which can.';
