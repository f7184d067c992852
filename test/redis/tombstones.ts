import type { Redis } from 'ioredis';

/** The keys of a server, without tombstones, what lists them, and what is noted of them. */
export async function withoutTombstones(direct: Redis): Promise<string[]> {
  const keys = (await direct.keys('*')).toSorted();
  const areOfTombstones = await Promise.all(keys.map((key) => isOfTombstones(direct, key)));
  return keys.filter((_, at) => !areOfTombstones[at]);
}

async function isOfTombstones(direct: Redis, key: string): Promise<boolean> {
  const [, shard, name] = /^(.*\}:)(s:.*|m:.*|all|expiry|g:.*)$/s.exec(key) ?? [];
  if (name === undefined) return false;
  const isTombstone = async (id: string) =>
    (await direct.type(`${shard}s:${id}`)) === 'hash' &&
    (await direct.hexists(`${shard}s:${id}`, 'ended')) === 1;
  if (/^[sm]:/.test(name)) return isTombstone(name.slice(2));
  if ((await direct.type(key)) !== 'zset') return false;
  const members = await Promise.all((await direct.zrange(key, '0', '-1')).map(isTombstone));
  return members.every((one) => one);
}

/** Makes the time until the tombstones of these sessions are gone pass at once. */
export async function outlive(direct: Redis, shard: string, ...ids: string[]): Promise<void> {
  for (const id of ids) {
    await direct.unlink(`${shard}s:${id}`);
    const score = await direct.zscore(`${shard}expiry`, id);
    if (score !== null) await direct.zadd(`${shard}expiry`, 'XX', -(Date.now() - 1), id);
  }
}
