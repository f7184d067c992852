import { storeNames } from '../store/stores.js';

/** What the environment says, with defaults for what it leaves out. Throws a sentence for what makes no sense. */
export function readSettings(env: NodeJS.ProcessEnv) {
  const { HOST = '127.0.0.1', STORE = 'cluster', SESSION_DIRECTORY = '.sessions' } = env;
  if (!storeNames.includes(STORE)) {
    throw new Error(`STORE=${STORE} is unknown: use ${storeNames.join(', ')}`);
  }
  return {
    workers: wholeNumber('WORKERS', env['WORKERS'] ?? '2', 1, 64),
    host: HOST,
    port: wholeNumber('PORT', env['PORT'] ?? '3000', 0, 65_535),
    store: STORE,
    idleTimeout: wholeNumber('IDLE_TIMEOUT', env['IDLE_TIMEOUT'] ?? String(30 * 60_000), 1000, 2 ** 31),
    /** Where the sessions of `ClusterStore`, and the secret, survive a restart. Absent if it is empty. */
    directory: SESSION_DIRECTORY || undefined,
    maxDevices: wholeNumber('MAX_DEVICES', env['MAX_DEVICES'] ?? '5', 1, 100_000),
    /** Absent unless it is set. */
    secret: env['SESSION_SECRET'] || undefined,
    adminPassword: env['ADMIN_PASSWORD'] || undefined,
  };
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new Error(`${name}=${text} must be a whole number from ${least} to ${most}`);
}
