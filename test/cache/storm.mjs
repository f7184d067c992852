import { setTimeout as wait } from 'node:timers/promises';
import { FEED_TIMEOUT } from 'nestjs-session-stores/store';
import { hostTime } from '../stores/feed.reports.mjs';

/** How many sessions each process keeps alive. */
const SESSIONS = 50;
const GROUPS = 5;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/**
 * What a process saw. Instants are of `hostTime`.
 *
 * @typedef {object} StormReport
 * @property {[id: string, at: number][]} created when `create` had resolved
 * @property {[id: string, at: number][]} destroyed when `destroy` had resolved
 * @property {{ group: string, calledAt: number, doneAt: number }[]} cleared
 * @property {[id: string, at: number][]} hits when each session was last found in the cache
 * @property {number} count how often any was
 */

/**
 * Reads, changes, renews, rotates, destroys and clears sessions at random, some of another process.
 *
 * @param {import('nestjs-session-stores/store').CachedStore} store
 * @param {{ name: string, seed: number, duration: number }} about `name` is that of the process
 * @returns {Promise<StormReport>}
 */
export async function storm(store, { name, seed, duration }) {
  const random = randomBy(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  /** @type {StormReport} */
  const report = { created: [], destroyed: [], cleared: [], hits: [], count: 0 };
  const hits = new Map();
  const own = new Set();
  let known = [];
  let made = 0;
  let version = 0;

  const create = async () => {
    const group = `g${Math.floor(random() * GROUPS)}`;
    const id = `${group}-${name}-${made++}`;
    const now = store.now();
    const record = { id, secretHash: 'h0', data: { a: '0' }, groups: [group], createdAt: now };
    await store.create({ ...record, expiresAt: now + 2 * HOUR });
    report.created.push([id, hostTime()]);
    own.add(id);
    known.push(id);
  };
  const destroy = async (id) => {
    await store.destroy(id);
    report.destroyed.push([id, hostTime()]);
    own.delete(id);
  };
  const clear = async () => {
    const group = `g${Math.floor(random() * GROUPS)}`;
    const calledAt = hostTime();
    await store.clear(group);
    report.cleared.push({ group, calledAt, doneAt: hostTime() });
    for (const id of own) if (id.startsWith(`${group}-`)) own.delete(id);
  };
  const renew = async (id) => {
    const found = store.cached(id) ?? (await store.read(id));
    const { expiresAt } = found ?? {};
    if (found) await store.update(found, { touch: { from: expiresAt, to: expiresAt + MINUTE } });
  };
  const shorten = (id) => {
    const expiresAt = Math.floor(store.now() + (1 + random()) * HOUR);
    return store.update({ id }, { expiresAt });
  };
  const look = async () => {
    const { records } = await store.page({ limit: 1000 });
    known = [...new Set([...records.map(({ id }) => id), ...known.slice(-200)])];
  };
  const step = async () => {
    const dice = random();
    const id = pick(known);
    if (own.size < SESSIONS) return create();
    if (dice < 0.02) return look();
    if (dice < 0.03) return destroy(id);
    if (dice < 0.032) return clear();
    // Rarely: each drops a session from the cache of this process, too.
    if (dice < 0.05) return store.update({ id }, { set: { a: String(++version) } });
    if (dice < 0.07) return store.rotate({ id }, `h${version}`, `h${++version}`, 0);
    if (dice < 0.09) return renew(id);
    if (dice < 0.095) return shorten(id);
    if (dice < 0.5) return store.read(id);
    for (const one of known) {
      const at = hostTime();
      if (!store.cached(one)) continue;
      report.count++;
      hits.set(one, at);
    }
  };
  const end = hostTime() + duration;
  const lane = async () => {
    // While the backend is unreachable, calls fail, and are tried again.
    while (hostTime() < end) {
      await step().catch(() => {});
      await wait(3);
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  report.hits = [...hits];
  return report;
}

/**
 * Once nothing is written any more, the sessions whose cached record differs from the stored one.
 *
 * @param {import('nestjs-session-stores/store').CachedStore} store
 * @param {string[]} ids
 * @returns {Promise<{ differ: string[], cached: number }>}
 */
export async function disagreements(store, ids) {
  // What is cached from now on was read after the last write, and what was before has been announced.
  await wait(FEED_TIMEOUT);
  const differ = [];
  let cached = 0;
  for (const id of ids) {
    const before = store.cached(id);
    const stored = await store.read(id);
    if (!before) continue;
    cached++;
    const isSame = stored?.secretHash === before.secretHash && stored.data.a === before.data.a;
    // That another process has moved it forward is not announced.
    const isLate = before.expiresAt > (stored?.expiresAt ?? 0);
    if (!isSame || isLate) differ.push(id);
  }
  return { differ, cached };
}

/** Numbers from 0 to 1 by a seed: mulberry32. */
function randomBy(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
