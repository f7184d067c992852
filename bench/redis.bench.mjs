// RedisStore beside connect-redis, on one server: the stores' calls, and an Express app on each.
import { Redis } from 'ioredis';
import { startRedis } from '../test/servers/redis.mjs';
import { rate, summary, table } from './figures.mjs';
import { anId } from './session.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'Redis: calls of a store, and what a request costs';

export async function run() {
  const server = await startRedis();
  try {
    await compareStores('redis', { url: server.url }, (contenders) => compareAll(server.url, contenders));
  } finally {
    await server.stop();
  }
}

/** Counting and clearing all sessions, beside what others keep on the server. */
async function compareAll(url, contenders) {
  const foreign = 200_000;
  const sessions = 10_000;
  const client = new Redis(url, { enableAutoPipelining: true });
  await rate(foreign, 256, (index) => client.set(`foreign:${index}`, 'x'));
  client.disconnect();

  const rows = [];
  for (const [name, contender] of Object.entries(contenders)) {
    await rate(sessions, 64, () => contender.create(anId()));
    const counts = [];
    for (let round = 0; round < 5; round++) counts.push(await milliseconds(contender.count));
    rows.push([name, summary(counts).median.toFixed(2), (await milliseconds(contender.clear)).toFixed(0)]);
  }
  console.log(
    `\nAll of ${sessions.toLocaleString('en')} sessions and more, beside ${foreign.toLocaleString('en')} keys of others, in ms.\n`,
  );
  table(['store', 'count (length)', 'clear'], rows);
}

async function milliseconds(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
