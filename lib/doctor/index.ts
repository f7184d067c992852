import { EXAMINE, explained, unknown, type Finding } from '../contract/examination.js';
import { checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import { isSessionStore } from '../contract/shapes.js';
import type { SessionStore } from '../contract/store.js';
import type { SessionOptions } from '../options/options.js';
import { judgeOptions } from './options.js';
import { readYaml } from './yaml.js';
import { SUBJECTS } from './subjects.js';

export type { Finding } from '../contract/examination.js';

/** What to examine: a store, the options of the session layer, or both. */
export interface Examination {
  /** Its backend is examined, on a connection of its own. It may be open or not, and stays so. Default: that of `options`. */
  store?: SessionStore | undefined;
  /** The options of `SessionModule` or `sessionMiddleware`. */
  options?: SessionOptions | undefined;
  /** The path of the YAML file that the members of a `HazelcastStore` are started with. Needs the package `yaml`. */
  hazelcastConfig?: string | undefined;
}

/** How long an unused session lives if no options say so, in milliseconds: the default of `idleTimeout`. */
const DEFAULT_LIFETIME = 24 * 60 * 60_000;

/**
 * Examines the options and the backend of a store, and yields what each subject shows: what is right, what is a risk and
 * what to change, and what could not be seen. Each call to a backend has the timeout of the store.
 *
 * It changes nothing of yours. What it writes to find out rights and defaults has a random name and is removed, also if
 * the iteration is ended early. Throws a `TypeError` if there is nothing to examine, or if it is not what it must be.
 */
export async function* examine(examination: Examination): AsyncGenerator<Finding, void, undefined> {
  checkOptionsObject('examine', examination, 'examine({ store, options })');
  const { options, hazelcastConfig, store = options?.store, ...others } = Object(examination) as Examination;
  checkNoOthers('examine', others, 'store, options, hazelcastConfig');
  if (store === undefined && options === undefined) {
    throw new TypeError('examine needs a store or options: write examine({ store, options })');
  }
  if (store !== undefined && !isSessionStore(store)) {
    throw new TypeError('store must be a SessionStore: write examine({ store: new RedisStore({ url }) })');
  }
  if (options !== undefined && (typeof options !== 'object' || options === null)) {
    throw new TypeError('options must be an object, those of SessionModule or sessionMiddleware');
  }
  let lifetime = DEFAULT_LIFETIME;
  if (options) {
    const judged = judgeOptions(options, store);
    lifetime = judged.lifetime ?? DEFAULT_LIFETIME;
    yield* judged.findings;
  }
  if (store) yield* examineStore(store, lifetime, hazelcastConfig);
  else if (hazelcastConfig !== undefined) yield notForThisStore(hazelcastConfig);
}

async function* examineStore(
  store: SessionStore,
  lifetime: number,
  file: string | undefined,
): AsyncGenerator<Finding, void, undefined> {
  const serverConfig = file === undefined ? undefined : await readYaml(file);
  if (serverConfig && 'problem' in serverConfig) {
    yield unknown(SUBJECTS.memberConfig, serverConfig.problem, serverConfig.remedy);
  }
  if (typeof store[EXAMINE] !== 'function') {
    yield unknown(SUBJECTS.backend, 'The store is of a version of this package without examinations.');
    return;
  }
  const readable = serverConfig && 'content' in serverConfig ? serverConfig : undefined;
  let isHazelcast = false;
  try {
    for await (const finding of store[EXAMINE]({ lifetime, serverConfig: readable })) {
      isHazelcast ||= finding.subject.startsWith('Hazelcast');
      yield finding;
    }
  } catch (error) {
    const { problem, remedy } = explained(error);
    yield unknown(SUBJECTS.backend, `The examination failed: ${problem}`, remedy);
  }
  if (readable && !isHazelcast) yield notForThisStore(readable.file);
}

function notForThisStore(file: string): Finding {
  return unknown(
    SUBJECTS.memberConfig,
    `${file} was not used, because the store is not a HazelcastStore.`,
    'Leave it out, or examine the HazelcastStore.',
  );
}
