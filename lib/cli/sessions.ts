import { bytesIn } from '../contract/deferred.js';
import { hashedId, hidesIds } from '../contract/log-id.js';
import { pagesOf } from '../contract/pages.js';
import { NEVER, valuesOf, type SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { clientIn } from '../session/seen.js';

/** A session as a line of JSON shows it. Instants are epoch milliseconds, as in `SessionView`. */
export interface ShownSession {
  /** The id; `sha256:` and its hash, if the id is a credential. */
  id: string;
  groups: readonly string[];
  /** Absent if the store does not keep it. */
  createdAt?: number;
  expiresAt: number;
  label?: string;
  lastSeenAt?: number;
  /** How many properties the data has. The cookie is not one of them. */
  properties: number;
  /** How many bytes the names and serialized values of the data have. */
  bytes: number;
  /** The addresses and user agents of its clients. Absent unless data is requested. */
  client?: { first: object; last: object };
  /** Absent unless it is requested. */
  data?: Record<string, unknown>;
}

/** What is shown of a session: its values and its clients only `withData`. */
export function shown(store: SessionStore, record: SessionRecord, withData = false): ShownSession {
  const { groups, createdAt, expiresAt, label, lastSeenAt, client, data } = record;
  const names = Object.keys(data).filter((name) => name !== 'cookie');
  return {
    id: nameOf(store, record.id),
    groups,
    ...(store.capabilities.createdAt && { createdAt }),
    expiresAt,
    ...(label !== undefined && { label }),
    ...(lastSeenAt !== undefined && { lastSeenAt }),
    properties: names.length,
    bytes: names.reduce((sum, name) => sum + Buffer.byteLength(name) + bytesOf(data, name), 0),
    ...(withData && client && { client: { first: clientIn(client.first), last: clientIn(client.last) } }),
    ...(withData && { data: valuesOf(data) }),
  };
}

/** 0 for a value that cannot be opened. */
function bytesOf(data: SessionRecord['data'], name: string): number {
  try {
    return bytesIn(data, name);
  } catch {
    return 0;
  }
}

/** The name of a session as it is printed. An id that is a credential is not. */
export function nameOf(store: SessionStore, id: string): string {
  return hidesIds(store.capabilities) ? `sha256:${hashedId(id)}` : id;
}

/** An instant as people read it. */
export function timeOf(instant: number | undefined): string {
  if (instant === undefined) return '-';
  return instant >= NEVER ? 'never' : new Date(instant).toISOString().replace(/\.\d+/, '');
}

/**
 * The live session with an id, or with a hash as it is printed and logged; `undefined` if there is none.
 *
 * @param lookedAt called with the number of sessions that were compared with a hash
 */
export async function find(
  store: SessionStore,
  name: string,
  lookedAt: (count: number) => void,
): Promise<SessionRecord | undefined> {
  if (!hidesIds(store.capabilities)) return store.read(name);
  const [, marked, hash] = /^(sha256:)?([\w-]{43})$/.exec(name) ?? [];
  const record = marked === undefined ? await store.read(name) : undefined;
  if (record || hash === undefined) return record;
  let compared = 0;
  for await (const records of comparable(store)) {
    const found = records.find(({ id }) => hashedId(id) === hash);
    if (found) return store.read(found.id);
    lookedAt((compared += records.length));
  }
  return undefined;
}

const PAGE_SIZE = 1000;

async function* comparable(store: SessionStore): AsyncGenerator<SessionRecord[]> {
  try {
    yield* pagesOf(store, undefined, PAGE_SIZE);
  } catch (cause) {
    const problem =
      'a session can be found by its SHA-256 only if the store lists its sessions, and it does not. Write the id of the session instead';
    throw new Error(problem, { cause });
  }
}
