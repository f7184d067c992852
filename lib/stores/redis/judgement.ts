import { atRisk, ok, unknown, type Finding } from '../../contract/examination.js';
import { SUBJECTS } from './subjects.js';

/** The fields of a reply to INFO or CLUSTER INFO. */
export type Fields = ReadonlyMap<string, string>;

/** The settings of a server that CONFIG GET returned; `undefined` if the user may not run it. */
export type Settings = ReadonlyMap<string, string> | undefined;

/** The fields of a reply to INFO or CLUSTER INFO, which are lines such as `role:master`. */
export function fieldsIn(reply: string): Fields {
  const fields = new Map<string, string>();
  for (const line of reply.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

/** The settings in replies to CONFIG GET, each of which has names and values alternately. */
export function settingsIn(replies: readonly unknown[]): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  for (const reply of replies as string[][])
    for (let at = 0; at < reply.length; at += 2) settings.set(reply[at] as string, reply[at + 1] as string);
  return settings;
}

/** The part of `maxmemory` above which writes may soon be rejected. */
const NEARLY_FULL = 0.9;

export function judgeVersion(info: Fields): Finding {
  const valkey = info.get('valkey_version');
  if (valkey !== undefined) return ok(SUBJECTS.version, `The server is Valkey ${valkey}.`);
  const version = info.get('redis_version');
  if (version === undefined) return missing(SUBJECTS.version, 'redis_version');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 6 || (major === 6 && minor >= 2))
    return ok(SUBJECTS.version, `The server is Redis ${version}.`);
  return atRisk(
    SUBJECTS.version,
    `The server is Redis ${version}.`,
    'The store needs commands of Redis 6.2.',
    'Upgrade to Redis 6.2 or newer, or to Valkey.',
  );
}

export function judgeEviction(info: Fields): Finding {
  const policy = info.get('maxmemory_policy');
  if (policy === undefined) return missing(SUBJECTS.eviction, 'maxmemory_policy');
  if (policy === 'noeviction') return ok(SUBJECTS.eviction, 'The maxmemory-policy is noeviction.');
  const limit = limitOf(info);
  return atRisk(
    SUBJECTS.eviction,
    `The maxmemory-policy is ${policy}, with ${limit === 0 ? 'no maxmemory yet' : `a maxmemory of ${megabytes(limit)}`}.`,
    'A server whose memory is full removes live sessions, so users are logged out. It may also remove the list of a group, so that "log out everywhere" misses sessions.',
    'Set maxmemory-policy noeviction.',
  );
}

export function judgeMemory(info: Fields): Finding {
  const used = Number(info.get('used_memory'));
  if (!Number.isFinite(used)) return missing(SUBJECTS.memory, 'used_memory');
  const limit = limitOf(info);
  if (limit === 0) return ok(SUBJECTS.memory, `The server uses ${megabytes(used)}, without a maxmemory.`);
  const found = `The server uses ${megabytes(used)} of a maxmemory of ${megabytes(limit)}.`;
  if (used <= NEARLY_FULL * limit) return ok(SUBJECTS.memory, found);
  return atRisk(
    SUBJECTS.memory,
    found,
    'A full server rejects writes, or evicts keys: logins and changes get a 503, or sessions are lost.',
    'Raise maxmemory, or shorten the lifetime of sessions.',
  );
}

export function judgePersistence(info: Fields, settings: Settings): Finding {
  const aof = info.get('aof_enabled');
  if (aof === undefined) return missing(SUBJECTS.persistence, 'aof_enabled');
  const failed = ['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status'].find(
    (field) => info.get(field) === 'err',
  );
  if (failed !== undefined) {
    return atRisk(
      SUBJECTS.persistence,
      `The server could not save its data the last time (${failed}).`,
      'A restart loses what was not saved: logins, and logouts. The server may also reject all writes.',
      'Check the log of the server, its disk, and its free memory.',
    );
  }
  if (aof !== '1') return withoutAof(info, settings);
  const fsync = settings?.get('appendfsync');
  if (fsync === 'no') {
    return atRisk(
      SUBJECTS.persistence,
      'The append-only file is on, with appendfsync no.',
      'A crash of the host loses what the operating system had not written to disk, so a logout may be undone.',
      'Set appendfsync everysec, or always.',
    );
  }
  return ok(
    SUBJECTS.persistence,
    `The append-only file is on. ${AFTER_A_CRASH[fsync ?? ''] ?? UNKNOWN_FSYNC}`,
  );
}

const AFTER_A_CRASH: Record<string, string> = {
  always: 'With appendfsync always, a crash loses no acknowledged write.',
  everysec: 'With appendfsync everysec, a crash of the host loses the writes of about a second.',
};
const UNKNOWN_FSYNC = 'The loss of a crash depends on appendfsync, which could not be read.';

function withoutAof(info: Fields, settings: Settings): Finding {
  const save = settings?.get('save');
  const lastSave = Number(info.get('rdb_last_save_time'));
  const remedy = 'Set appendonly yes.';
  if (save === '') {
    return atRisk(
      SUBJECTS.persistence,
      'The server saves nothing to disk: there is no append-only file and no snapshot.',
      'A restart loses all sessions, so every user is logged out.',
      remedy,
    );
  }
  const last = lastSave > 0 ? `, the last at ${new Date(lastSave * 1000).toISOString()}` : '';
  const snapshots = save === undefined ? 'at most snapshots' : `snapshots${last}`;
  return atRisk(
    SUBJECTS.persistence,
    `There is no append-only file, only ${snapshots}.`,
    'A crash goes back to the last snapshot: newer logins are lost, and sessions that were destroyed since are live again.',
    remedy,
  );
}

export function judgeReplication(info: Fields, settings: Settings): Finding {
  const role = info.get('role');
  if (role === undefined) return missing(SUBJECTS.replication, 'role');
  if (role !== 'master') {
    return atRisk(
      SUBJECTS.replication,
      'The server is a replica.',
      'The store rejects it, because its data may be old and it accepts no writes.',
      'Connect to the primary, to the Sentinels, or to the Cluster.',
    );
  }
  const replicas = Number(info.get('connected_slaves') ?? 0);
  // INFO has this field only if min-replicas-to-write and min-replicas-max-lag are set.
  const isLimited = info.has('min_slaves_good_slaves');
  if (replicas === 0 && !isLimited)
    return ok(SUBJECTS.replication, 'The server is a primary without replicas.');
  const found = `The server is a primary with ${replicas === 1 ? 'one replica' : `${replicas} replicas`}`;
  if (isLimited) {
    const lag = settings?.get('min-replicas-max-lag');
    return ok(
      SUBJECTS.replication,
      `${found}, and min-replicas-to-write is set. A failover may still lose the last acknowledged writes, but a primary that is cut off stops accepting writes after ${lag === undefined ? 'min-replicas-max-lag' : `${lag} s`}.`,
    );
  }
  return atRisk(
    SUBJECTS.replication,
    `${found}, and min-replicas-to-write is 0.`,
    'Replication is asynchronous: a failover loses the last acknowledged writes, so a logout may be undone. A primary that is cut off accepts such writes without limit.',
    'Set min-replicas-to-write 1: a primary that is cut off then stops accepting writes after min-replicas-max-lag, 10 s by default. If no logout may be lost, use MongoStore, which waits for a majority.',
  );
}

/** @param info the reply to CLUSTER INFO of one node */
export function judgeCluster(info: Fields): Finding {
  const state = info.get('cluster_state');
  const covered = Number(info.get('cluster_slots_ok') ?? 0);
  const found = `The Cluster's state is ${state}, and ${covered} of ${SLOTS} slots are served.`;
  if (state === 'ok' && covered === SLOTS) return ok(SUBJECTS.cluster, found);
  return atRisk(
    SUBJECTS.cluster,
    found,
    'Requests whose session is in a slot that is not served get a 503, and so do lists and "log out everywhere".',
    'Run redis-cli --cluster check, and start the missing nodes or run redis-cli --cluster fix.',
  );
}

const SLOTS = 16_384;

function limitOf(info: Fields): number {
  return Number(info.get('maxmemory') ?? 0);
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function missing(subject: string, field: string): Finding {
  return unknown(subject, `The reply to INFO has no ${field}.`, 'Check the setting on the server itself.');
}
