// Compares RedisStore with connect-redis on one server: the calls of the stores, and an Express app on each.
import { Redis } from 'ioredis';
import { startRedis } from '../test/servers/redis.mjs';
import { rate, summary, table } from './figures.mjs';
import { anId } from './session.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'Redis: the cost of store calls and of requests';

export async function run() {
  const server = await startRedis();
  try {
    await compareStores('redis', { url: server.url }, (contenders) => compareAll(server.url, contenders));
  } finally {
    await server.stop();
  }
}

/** Compares counting and clearing all sessions on a server that also holds other keys. */
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
    `\nAll of at least ${sessions.toLocaleString('en')} sessions, among ${foreign.toLocaleString('en')} other keys, in ms.\n`,
  );
  table(['store', 'count (length)', 'clear'], rows);
}

async function milliseconds(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
