import assert from 'node:assert/strict';
import type { Redis } from 'ioredis';
import type { SessionStore, SessionRecord } from 'nestjs-session-stores/store';

/** The keys with one prefix on some servers, by kind. */
interface Held {
  hashes: Map<string, { expires: number; groups: string[] }>;
  /** The sorted sets by their name after the shard (`all`, `expiry`, `g:<group>`), each member with its score. */
  lists: Map<string, Map<string, number>>;
  /** The groups that are noted for a session, by its id. */
  notes: Map<string, string[]>;
  /** The groups of the session that a tombstone is for, by its id. `undefined` if it was not only regenerated. */
  tombstones: Map<string, string[] | undefined>;
}

/**
 * Asserts that records, index and groups are consistent, both in what `store` returns and in what the servers hold.
 * Resolves to the live sessions by id. Lists may still contain the ids in `expired`, and those with a tombstone.
 *
 * @param nodes all primaries, each queried directly
 * @param prefix as it is encoded on the server
 */
export async function agreement(
  store: SessionStore,
  nodes: Redis[],
  prefix: string,
  { expired = new Set<string>() }: { expired?: ReadonlySet<string> } = {},
): Promise<Map<string, SessionRecord>> {
  const { hashes, lists, notes, tombstones } = await held(nodes, prefix);
  const known = new Set([
    ...hashes.keys(),
    ...[...lists.values()].flatMap((list) => Array.from(list.keys())),
  ]);
  const live = new Map<string, SessionRecord>();
  for (const record of await Promise.all([...known].map((key) => store.read(key)))) {
    if (record) live.set(record.id, record);
  }
  const groups = new Set([...live.values()].flatMap((record) => record.groups));
  const membersOf = (group?: string) =>
    [...live.values()]
      .filter((record) => group === undefined || record.groups.includes(group))
      .map((record) => record.id)
      .toSorted();

  // What the servers hold.
  assert.deepEqual([...hashes.keys()].toSorted(), membersOf(), 'each session on the servers is read');
  for (const [key, { expires, groups: its }] of hashes) {
    assert.equal(expires, live.get(key)?.expiresAt);
    assert.deepEqual(its.toSorted(), live.get(key)?.groups.toSorted());
    assert.deepEqual((notes.get(key) ?? []).toSorted(), its.toSorted(), 'the groups are noted');
  }
  for (const name of ['all', 'expiry', ...[...groups].map((group) => `g:${group}`)]) {
    if (!lists.has(name)) lists.set(name, new Map());
  }
  for (const [name, list] of lists) {
    const isGone = (key: string) => expired.has(key) || tombstones.has(key);
    const listed = [...list.keys()].filter((key) => !isGone(key) || live.has(key)).toSorted();
    assert.deepEqual(
      listed,
      membersOf(name.startsWith('g:') ? name.slice(2) : undefined),
      `${name} lists the live sessions`,
    );
  }
  for (const [key, expires] of lists.get('expiry') as Map<string, number>) {
    if (live.has(key)) assert.equal(expires, live.get(key)?.expiresAt, 'the index has the expiry');
  }
  for (const [key, its] of tombstones) {
    assert.equal(live.has(key), false, 'a session with a tombstone is gone');
    if (!its) continue;
    for (const name of ['all', 'expiry', ...its.map((group) => `g:${group}`)])
      assert.ok(lists.get(name)?.has(key), `${name} lists a regenerated session`);
    assert.ok((lists.get('expiry')?.get(key) as number) < 0, 'the index does not count it');
    assert.deepEqual((notes.get(key) ?? []).toSorted(), its.toSorted(), 'its groups are noted');
  }

  // What the store returns.
  for (const group of [undefined, ...groups]) {
    assert.deepEqual((await paged(store, group)).toSorted(), membersOf(group), `pages of ${group}`);
    assert.equal(await store.count(group), membersOf(group).length, `count of ${group}`);
  }
  return live;
}

/** The session ids on all pages of a group, or of all sessions. */
export async function paged(store: SessionStore, group?: string): Promise<string[]> {
  const ids = new Set<string>();
  let after: string | undefined;
  do {
    const page = await store.page({ group, after, limit: 1000 });
    for (const { id } of page.records) ids.add(id);
    after = page.next;
  } while (after !== undefined);
  return [...ids];
}

async function held(nodes: Redis[], prefix: string): Promise<Held> {
  const hashes: Held['hashes'] = new Map();
  const lists: Held['lists'] = new Map();
  const notes: Held['notes'] = new Map();
  const tombstones: Held['tombstones'] = new Map();
  for (const node of nodes) {
    const keys = (await node.keys('*')).filter((key) => key.startsWith(`${prefix}{`));
    await Promise.all(
      keys.map(async (key) => {
        const name = key.slice(key.indexOf('}:') + 2);
        if (name.startsWith('s:')) {
          const { expires, groups = '[]', ended, of = '[]' } = await node.hgetall(key);
          if (ended !== undefined) {
            tombstones.set(name.slice(2), ended === 'ended' ? undefined : (JSON.parse(of) as string[]));
            return;
          }
          // It may have expired since the keys were listed.
          if (expires === undefined) return;
          hashes.set(name.slice(2), { expires: Number(expires), groups: JSON.parse(groups) as string[] });
          return;
        }
        if (name.startsWith('m:')) {
          const text = await node.get(key);
          if (text !== null) notes.set(name.slice(2), JSON.parse(text) as string[]);
          return;
        }
        const flat = await node.zrange(key, '0', '-1', 'WITHSCORES');
        // Every shard has one list with each name.
        const list = lists.get(name) ?? new Map<string, number>();
        for (let at = 0; at < flat.length; at += 2) list.set(flat[at] as string, Number(flat[at + 1]));
        lists.set(name, list);
      }),
    );
  }
  return { hashes, lists, notes, tombstones };
}
