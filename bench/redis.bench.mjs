// Compares RedisStore with connect-redis on one server.
import { Redis } from 'ioredis';
import { alternate, durationOf, rate, rowsOf } from './figures.mjs';
import { anId, bytes } from './session.mjs';
import { DIFFERENCES } from './stores/calls.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'Redis';
export const topic = 'calls';
export const how = `One process calls the stores directly, with sessions of ${bytes} bytes. A login destroys a session and creates another. RedisStore also checks whether another request has destroyed the first. ${DIFFERENCES}`;

export function run(bench) {
  return compareStores('redis', title, bench, (contenders, { url }) => compareAll(url, contenders, bench));
}

/** Compares counting and clearing all sessions on a server that also holds other keys. */
async function compareAll(url, contenders, { scale, step }) {
  const foreign = scale(200_000, 20_000);
  const sessions = scale(10_000, 1_000);
  const client = new Redis(url, { enableAutoPipelining: true });
  try {
    step(`${foreign} other keys`);
    await rate(foreign, 256, (index) => client.set(`foreign:${index}`, 'x'));
    step('count and clear');
    const names = Object.keys(contenders);
    for (const name of names) await contenders[name].clear();
    const figures = await alternate(names, { rounds: scale(5, 3), warmUp: 0 }, async (name) => {
      await rate(sessions, 64, () => contenders[name].create(anId()));
      return {
        count: await durationOf(contenders[name].count),
        clear: await durationOf(contenders[name].clear),
      };
    });
    const all = sessions.toLocaleString('en');
    return [
      {
        name: 'all',
        title: `${title}: all ${all} sessions`,
        about: `The server holds ${foreign.toLocaleString('en')} other keys.`,
        unit: 'ms',
        better: 'lower',
        rows: [
          ...rowsOf(figures, 'count', { case: 'count (`length`)' }),
          ...rowsOf(figures, 'clear', { case: 'clear' }),
        ],
      },
    ];
  } finally {
    await rate(foreign, 256, (index) => client.del(`foreign:${index}`));
    client.disconnect();
  }
}
