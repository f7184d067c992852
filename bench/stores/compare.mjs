// Compares the stores of one backend by their calls.
import { compareCalls } from './calls.mjs';

/**
 * @param {'redis' | 'mongo' | 'hazelcast'} backend the name of a file in this folder
 * @param {string} title what the titles of its measures begin with
 * @param {(contenders: object) => Promise<object[]>} [more] measures more on the open stores
 * @returns {Promise<import('../frame/results.mjs').Measure[]>}
 */
export async function compareStores(backend, title, bench, more) {
  const address = await bench.address(backend);
  const { stores } = await import(`./${backend}.mjs`);
  const contenders = {};
  try {
    for (const name in stores) contenders[name] = await stores[name](address);
    return [
      ...(await compareCalls(contenders, title, bench)),
      ...((await more?.(contenders, address)) ?? []),
    ];
  } finally {
    for (const contender of Object.values(contenders)) await contender.close();
  }
}
