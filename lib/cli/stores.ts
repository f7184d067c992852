import type { SessionStore } from '../contract/store.js';
import { UsageError } from './exit.js';

/** The options that say which store to use, as they are written on the command line. */
export interface StoreFlags {
  store?: string;
  url?: string;
  prefix?: string;
  timeout?: number;
  cluster?: boolean;
  collection?: string;
  clusterName?: string;
  mapName?: string;
}

/** The options of each store beside `--url` and `--timeout`, by its word. */
const OWN = {
  redis: ['prefix', 'cluster'],
  mongo: ['collection'],
  hazelcast: ['prefix', 'clusterName', 'mapName'],
} as const satisfies Record<string, readonly (keyof StoreFlags)[]>;

type Word = keyof typeof OWN;

/** What to do about a store that cannot be named with `--store`. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  cluster:
    'the sessions of a ClusterStore are in the memory of the app, where no other process can read them. Use SessionService in the app. The sessions of one with a directory can be read with --config while the app is stopped',
  express:
    'a store for express-session is created in code. Write --config with a file that exports fromExpressStore(store)',
};

/** The URL of the server, which `--url` or the environment names. */
export function urlOf({ url }: StoreFlags): string | undefined {
  return url ?? process.env['SESSION_STORE_URL'];
}

/** The option beside `name` that also says which store to use; `undefined` if there is none. */
export function storeFlagIn(flags: StoreFlags): string | undefined {
  const names = ['store', 'url', 'timeout', ...Object.values(OWN).flat()] as const;
  const name = names.find((one) => flags[one] !== undefined);
  return name && spelled(name);
}

/** Makes the store of `--store`. Its driver is loaded when it is opened. */
export async function storeOf(flags: StoreFlags): Promise<SessionStore> {
  const word = checkedWord(flags.store);
  const url = urlOf(flags);
  if (url === undefined || url === '') {
    throw new UsageError(
      `--store ${word} needs the address of the server: write --url ${EXAMPLES[word]}, or set SESSION_STORE_URL`,
    );
  }
  const known: readonly string[] = OWN[word];
  for (const name of Object.values(OWN).flat()) {
    if (flags[name] === undefined || known.includes(name)) continue;
    const all = ['url', 'timeout', ...known].map(spelled).join(', ');
    throw new UsageError(`${spelled(name)} is not an option of --store ${word}, which has ${all}`);
  }
  try {
    return await MAKE[word](url, flags);
  } catch (error) {
    // The stores check their options, and name them as the command line does.
    throw error instanceof TypeError ? new UsageError(error.message) : error;
  }
}

const EXAMPLES: Record<Word, string> = {
  redis: 'redis://localhost:6379',
  mongo: 'mongodb://localhost:27017/app',
  hazelcast: 'localhost:5701',
};

const MAKE: Record<Word, (url: string, flags: StoreFlags) => Promise<SessionStore>> = {
  async redis(url, { prefix, timeout, cluster }) {
    const { RedisStore } = await import('../stores/redis/index.js');
    if (!cluster) return new RedisStore({ url, prefix, timeout });
    const { optionsOf } = await import('../stores/redis/address.js');
    const { host, port, db: _, ...redisOptions } = optionsOf(url);
    const nodes = [{ ...(host !== undefined && { host }), ...(port !== undefined && { port }) }];
    return new RedisStore({ cluster: { nodes, options: { redisOptions } }, prefix, timeout });
  },

  async mongo(url, { collection, timeout }) {
    // The driver would say so when it connects.
    if (!/^mongodb(\+srv)?:\/\/./.test(url))
      throw new UsageError(
        '--url must be a URL for MongoDB: write mongodb://host/database or mongodb+srv://',
      );
    const { MongoStore } = await import('../stores/mongo/index.js');
    return new MongoStore({ uri: url, collection, timeout });
  },

  async hazelcast(url, { prefix, timeout, clusterName, mapName }) {
    const { HazelcastStore } = await import('../stores/hazelcast/index.js');
    const clusterMembers = url.split(',').map((member) => member.trim());
    const wrong = clusterMembers.some((member) => !/^[^\s/@]+$/.test(member));
    if (wrong) throw new UsageError('--url must be host:port for Hazelcast, or several with commas');
    return new HazelcastStore({
      config: {
        ...(clusterName !== undefined && { clusterName }),
        network: { clusterMembers },
        // The errors of the store say what is wrong.
        properties: { 'hazelcast.logging.level': 'OFF' },
      },
      ...(mapName !== undefined && { maps: [{ mapName }] }),
      prefix,
      timeout,
    });
  },
};

function checkedWord(word: string | undefined): Word {
  if (word === undefined) {
    throw new UsageError(
      'no store is named: write --store redis, mongo or hazelcast with --url, or --config',
    );
  }
  if (Object.hasOwn(OWN, word)) return word as Word;
  const problem = Object.hasOwn(ELSEWHERE, word)
    ? ELSEWHERE[word]
    : 'write redis, mongo or hazelcast. Any other store comes from --config';
  throw new UsageError(`--store ${word}: ${problem}`);
}

/** The name of an option as it is written. */
function spelled(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
