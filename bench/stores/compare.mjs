// The stores of one backend beside each other: their calls, and an Express app on each.
import { compareHttp } from '../http/compare.mjs';
import { compareCalls } from './calls.mjs';

/**
 * @param {string} backend a file beside this one
 * @param {object} address of the server, as that file takes it
 * @param {(contenders: object) => Promise<void>} [more] what else to compare, on the open stores
 */
export async function compareStores(backend, address, more) {
  const { stores } = await import(`./${backend}.mjs`);
  const contenders = {};
  for (const name in stores) contenders[name] = await stores[name](address);
  await compareCalls(contenders);
  await more?.(contenders);
  for (const contender of Object.values(contenders)) await contender.close();

  const [ours, ...peers] = Object.keys(stores);
  console.log('\nOver HTTP, 32 connections; CPU is the app process alone.\n');
  await compareHttp(['no session', ...peers, ours], { sizes: [700], backend, address });
}
