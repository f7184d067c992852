import { randomUUID } from 'node:crypto';
import { atRisk, explained, ok, unknown, type Finding } from '../../contract/examination.js';
import type { SessionRecord } from '../../contract/record.js';
import type { SessionStore } from '../../contract/store.js';
import type { RedisConnection } from './connection.js';
import { Layout, listKey, sessionKey } from './layout.js';
import { SUBJECTS } from './subjects.js';

/** An examination under way. */
export interface Examined {
  /** The prefix of the store, under which a user has rights. */
  prefix: string;
  /** A connection for this alone: that of the store does not open if a right is missing. */
  connection: RedisConnection;
  /** Makes a store of the same servers. */
  storeOf(prefix: string): SessionStore;
  /** Runs one step under a deadline, and rejects with the store's error. */
  step<T>(work: () => Promise<T>): Promise<T>;
}

/** How long the sessions of an examination live if they cannot be removed, in milliseconds. */
const LIFETIME = 30_000;

const GROUP = 'doctor';

/**
 * Finds out what the user may do by doing it, under a random prefix. The keys are removed, also if it fails. If that
 * fails, too, Redis removes them when their tombstones expire.
 */
export async function examineRights(examined: Examined): Promise<Finding[]> {
  // Under the prefix of the store, because the user may have no rights elsewhere.
  const prefix = `${examined.prefix}doctor-${randomUUID()}:`;
  const store = examined.storeOf(prefix);
  const ids = [randomUUID(), randomUUID()] as const;
  try {
    await store.open();
  } catch (error) {
    // It has written nothing, or removed it in the same script.
    return [failed('open', error), unknown(SUBJECTS.feed, 'The store does not open.')];
  }
  const findings = [await rightsOf(store, ids), await feedOf(store)];
  await store.close();
  return [...findings, ...(await removed(examined, prefix, ids))];
}

/** @param ids of sessions that are created and ended */
async function rightsOf(store: SessionStore, ids: readonly [string, string]): Promise<Finding> {
  const [first, second] = ids.map((id) => recordOf(id, store.now())) as [SessionRecord, SessionRecord];
  const steps: Record<string, () => Promise<unknown>> = {
    create: () => Promise.all([store.create(first), store.create(second)]),
    read: () => store.read(first.id),
    update: () => store.update(first, { set: { a: '2' } }),
    rotate: () => store.rotate(first, first.secretHash, 'next', 1000),
    page: () => store.page({ group: GROUP, limit: 2 }),
    count: () => store.count(GROUP),
    destroy: () => store.destroy(first.id),
    clear: () => store.clear(GROUP),
  };
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
    } catch (error) {
      return failed(name, error);
    }
  }
  return ok(
    SUBJECTS.rights,
    `The user has the rights that the store needs: ${Object.keys(steps).join(', ')} work.`,
  );
}

function failed(operation: string, error: unknown): Finding {
  const { problem, remedy } = explained(error);
  const risk =
    operation === 'open'
      ? 'The store does not open, so the app does not start.'
      : `Requests that need ${operation} get a 503.`;
  return atRisk(SUBJECTS.rights, `The store failed to ${operation}: ${problem}`, risk, remedy);
}

async function feedOf(store: SessionStore): Promise<Finding> {
  const { feed } = store.capabilities;
  try {
    if (feed !== true) return withoutFeed(feed);
    const watch = await store.watch(() => {});
    watch.close();
    return ok(SUBJECTS.feed, 'Changes of sessions are announced.');
  } catch (error) {
    return withoutFeed(explained(error).problem);
  }
}

function withoutFeed(reason: string): Finding {
  return atRisk(
    SUBJECTS.feed,
    `There is no feed: ${reason}`,
    'The option cache cannot be used, and open sockets and streams close only at the next recheck, every 30 seconds by default.',
    'Allow the user PUBLISH, SUBSCRIBE and the channels of the store, with ACL SETUSER: +publish +subscribe and & with the prefix and *.',
  );
}

function recordOf(id: string, now: number): SessionRecord {
  return {
    id,
    secretHash: 'secretHash',
    data: { a: '1' },
    groups: [GROUP],
    createdAt: now,
    expiresAt: now + LIFETIME,
  };
}

/** Removes the keys of an examination. Resolves to a finding if that fails. */
async function removed(
  { connection, step }: Examined,
  prefix: string,
  ids: readonly string[],
): Promise<Finding[]> {
  const layout = new Layout(prefix, connection.isCluster);
  try {
    // The keys of a shard have one slot.
    await step(async () =>
      Promise.all(
        layout.shards.map((shard, at) => {
          const ours = ids.filter((id) => layout.shardOf(id) === at);
          const ofSessions = ours.flatMap((id) => [sessionKey(shard, id), `${shard}m:${id}`]);
          const ofShard = [`${shard}all`, `${shard}expiry`, `${shard}feed`, listKey(shard, GROUP)];
          return connection.send('examine', 'UNLINK', [...ofShard, ...ofSessions]);
        }),
      ),
    );
    return [];
  } catch (error) {
    return [
      unknown(
        SUBJECTS.traces,
        `The keys of this examination may not be removed: ${explained(error).problem} They start with ${prefix}`,
        'They hold no data of yours. Redis removes them after ten minutes.',
      ),
    ];
  }
}
