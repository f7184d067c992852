import { atRisk, explained, ok, unknown, type Finding } from '../contract/examination.js';
import { SessionStoreDecorator } from '../contract/decorator.js';
import type { SessionStore } from '../contract/store.js';
import { resolveOptions, type SessionOptions } from '../options/options.js';
import { SHORTEST_SECRET, lengthOf } from '../options/secrets.js';
import type { SessionConfig } from '../session/config.js';
import type { SigningSecret } from '../token/signer.js';
import { judgeCookies } from './cookies.js';
import { durationText } from './durations.js';
import { SUBJECTS } from './subjects.js';

/** What the options show. */
export interface JudgedOptions {
  findings: Finding[];
  /** The longest time that an unused session lives, in milliseconds. `undefined` if the options are invalid. */
  lifetime: number | undefined;
}

/** Judges options by the requirements of OWASP ASVS 5.0 on sessions and their cookies, whose numbers the findings name. */
export function judgeOptions(options: SessionOptions, store: SessionStore | undefined): JudgedOptions {
  let config: SessionConfig;
  try {
    // What only the module takes says nothing of sessions.
    const { forRoutes: _, exclude: _1, recheck: _2, isGlobal: _3, ...session } = options as ModuleOptions;
    config = resolveOptions({ ...session, store: store ?? new UnknownStore(), logger: SILENT });
  } catch (error) {
    const { problem, remedy } = explained(error);
    return {
      findings: [atRisk(SUBJECTS.options, problem, 'The app does not start.', remedy)],
      lifetime: undefined,
    };
  }
  const lifetime = lifetimeOf(config);
  const findings = [
    judgeSecret(options.secret, config),
    ...(store ? [] : [judgeStore()]),
    ...judgeCookies(config),
    judgeIdle(lifetime, config),
    judgeAbsolute(config),
    LIMIT,
    judgeClient(config),
    judgeOutage(config),
    judgeCaching(config),
    ...(config.genid && !config.store.capabilities.secrets ? [judgeIds()] : []),
  ];
  return { findings, lifetime };
}

type ModuleOptions = SessionOptions &
  Partial<Record<'forRoutes' | 'exclude' | 'recheck' | 'isGlobal', unknown>>;

const SILENT = { warn() {}, error() {} };

/** In the place of a store that is not given. Nothing calls it. */
class UnknownStore extends SessionStoreDecorator {
  constructor() {
    super(undefined as never);
  }

  override get capabilities(): SessionStore['capabilities'] {
    return { secrets: true, createdAt: true, feed: true };
  }
}

function lifetimeOf({ identities, idleTimeout, absoluteTimeout }: SessionConfig): number {
  const idle = identities.map(({ cookie }) => cookie.secure.maxAge ?? idleTimeout);
  return Math.min(Math.max(...idle), absoluteTimeout);
}

function judgeSecret(secret: SigningSecret | SigningSecret[], { store }: SessionConfig): Finding {
  const lengths = [secret].flat().map(lengthOf);
  const shortest = Math.min(...lengths);
  if (shortest >= SHORTEST_SECRET) {
    return ok(SUBJECTS.secret, `Each secret has at least ${SHORTEST_SECRET} bytes.`);
  }
  return atRisk(
    SUBJECTS.secret,
    `A secret has ${shortest} ${shortest === 1 ? 'byte' : 'bytes'}, fewer than ${SHORTEST_SECRET}.`,
    store.capabilities.secrets
      ? 'An attacker who guesses it from one token signs tokens, each of which costs a call to the store. Together with write access to the store it gives access to any session.'
      : 'An attacker who guesses it from one token signs the id of any session, and has that session (ASVS 7.2.3).',
    'Generate one with openssl rand -base64 32.',
  );
}

function judgeStore(): Finding {
  return atRisk(
    SUBJECTS.store,
    'No store is set, so the module keeps sessions in memory.',
    'A restart loses all sessions, and the processes of several hosts do not share them.',
    'Set store, for example to a RedisStore or MongoStore.',
  );
}

function judgeIdle(lifetime: number, { absoluteTimeout }: SessionConfig): Finding {
  if (lifetime === Infinity) {
    return atRisk(
      SUBJECTS.idle,
      'Unused sessions never expire.',
      'A token that is stolen years later, or a browser that was left logged in, still works (ASVS 7.3.1). The store grows without bound.',
      'Set cookie.maxAge or idleTimeout.',
    );
  }
  const capped = lifetime === absoluteTimeout ? ', by the absolute timeout' : '';
  return ok(SUBJECTS.idle, `Unused sessions expire after ${durationText(lifetime)}${capped} (ASVS 7.3.1).`);
}

function judgeAbsolute({ absoluteTimeout, store }: SessionConfig): Finding {
  if (absoluteTimeout !== Infinity) {
    return ok(
      SUBJECTS.absolute,
      `Every session expires after ${durationText(absoluteTimeout)} (ASVS 7.3.2).`,
    );
  }
  return atRisk(
    SUBJECTS.absolute,
    'There is no absolute timeout.',
    'A session that is used lives forever, also one that an attacker keeps in use (ASVS 7.3.2).',
    store.capabilities.createdAt
      ? 'Set absoluteTimeout, for example to 12 hours.'
      : 'Use another store: an express-session store does not keep when a session was created.',
  );
}

const LIMIT = unknown(
  SUBJECTS.limit,
  'The options have no limit of the sessions of a user: joinGroup() has it, where a user logs in (ASVS 7.1.2).',
  'Look for joinGroup(group, { max, whenFull }) in the login, if a user may have a limited number of sessions.',
);

function judgeClient({ clientOf }: SessionConfig): Finding {
  return clientOf
    ? ok(
        SUBJECTS.client,
        'Sessions record when and by which client they were last used, for lists of devices (ASVS 7.5.2).',
      )
    : ok(
        SUBJECTS.client,
        'Sessions do not record their client, so a list of devices shows none (ASVS 7.5.2).',
      );
}

function judgeOutage({ onStoreError }: SessionConfig): Finding {
  if (onStoreError === 'fail') {
    return ok(SUBJECTS.outage, 'While the store is unreachable, requests with a token get a 503.');
  }
  return atRisk(
    SUBJECTS.outage,
    "onStoreError is 'anonymous'.",
    'While the store is unreachable, requests with a token are served without a session. A handler that takes an empty session for a visitor may show or do what it would not for the user, such as to serve one who is blocked.',
    'Leave it out, or check that no handler permits more without a session: a 503 is safe by default.',
  );
}

function judgeCaching({ noStore }: SessionConfig): Finding {
  if (noStore) return ok(SUBJECTS.caching, 'Responses with a token have Cache-Control: no-store.');
  return atRisk(
    SUBJECTS.caching,
    'noStore is false.',
    'A cache between the app and the browser may store a response with a token, and give it to other users, who are then logged in as the first one.',
    'Leave it out.',
  );
}

function judgeIds(): Finding {
  return unknown(
    SUBJECTS.ids,
    'genid makes the ids, which are the credentials in an express-session store.',
    'Check that it takes at least 128 bits from a cryptographic random number generator (ASVS 7.2.3).',
  );
}
