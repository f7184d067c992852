import { randomBytes, randomUUID } from 'node:crypto';
import { outcomeOf } from '../contract/backend-calls.js';
import { probeId } from '../contract/probe.js';
import { NO_SECRET_HASH, type SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';

/** How a probe ended: it worked, the backend did not respond in time, or it rejected the call. */
export type ProbeResult = 'up' | 'timed out' | 'failed';

/** What the probes of one part of the backend found: of a shard in a Redis Cluster, of all of it elsewhere. */
export interface ShardHealth {
  read: ProbeResult;
  /** Absent unless writes are probed. */
  write?: ProbeResult;
}

/** What the probes of a store found. */
export interface StoreHealth {
  shards: ShardHealth[];
  /** The first error of a probe. */
  error: unknown;
}

/** How long a session that was written by a probe lives after that, in milliseconds. */
const LIFETIME = 250;

/** How much longer than its writes may take a session of a probe lives, in milliseconds. */
const SLACK = 1000;

/** The longest that it lives, in milliseconds, for a store without a deadline. */
const LONGEST = 60_000;

/** Probes each part of a store in parallel, by a read, and by a write as well. */
export async function probe(store: SessionStore, write: boolean): Promise<StoreHealth> {
  const health: StoreHealth = { shards: [], error: undefined };
  const resultOf = (work: Promise<unknown>): Promise<ProbeResult> =>
    work.then(
      () => 'up',
      (error: unknown) => {
        health.error ??= error;
        return outcomeOf(error) === 'timed out' ? 'timed out' : 'failed';
      },
    );
  const absent = idsOf(store, 'read');
  // New ones each time, because another process may probe meanwhile.
  const written = write ? idsOf(store, randomUUID()) : [];
  health.shards = await Promise.all(
    absent.map(async (id, shard): Promise<ShardHealth> => {
      const reading = resultOf(store.read(id));
      if (!write) return { read: await reading };
      const writing = resultOf(writeShortly(store, written[shard]!));
      return { read: await reading, write: await writing };
    }),
  );
  return health;
}

/** The ids of probes. A store of another copy of this package may be older, and have none. */
function idsOf(store: SessionStore, seed: string): readonly string[] {
  return store.probeIds?.(seed) ?? [probeId(seed)];
}

/**
 * Creates a session, and shortens its lifetime, so that it expires at once: to destroy it would leave a tombstone for ten
 * minutes. A store whose ids are credentials leaves none.
 */
async function writeShortly(store: SessionStore, id: string): Promise<void> {
  const { secrets } = store.capabilities;
  const createdAt = store.now();
  const expiresAt = createdAt + Math.min(store.timeout + SLACK, LONGEST);
  const secretHash = secrets ? randomBytes(32).toString('base64url') : NO_SECRET_HASH;
  const record: SessionRecord = { id, secretHash, data: {}, groups: [], createdAt, expiresAt };
  await store.create(record);
  if (!secrets) return void (await store.destroy(id));
  await store.update({ id }, { touch: { from: expiresAt, to: store.now() + LIFETIME } });
}
