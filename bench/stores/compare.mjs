// Compares the stores of one backend: their calls, and an Express app on each.
import { compareHttp } from '../http/compare.mjs';
import { compareCalls } from './calls.mjs';

/**
 * @param {string} backend the name of a file in this folder
 * @param {object} address the address of the server, in the format of that file
 * @param {(contenders: object) => Promise<void>} [more] compares more on the open stores
 */
export async function compareStores(backend, address, more) {
  const { stores } = await import(`./${backend}.mjs`);
  const contenders = {};
  for (const name in stores) contenders[name] = await stores[name](address);
  await compareCalls(contenders);
  await more?.(contenders);
  for (const contender of Object.values(contenders)) await contender.close();

  const [ours, ...peers] = Object.keys(stores);
  const subjects = ['no session', ...peers, ours];
  console.log('\nOver HTTP, 32 connections; CPU time is that of the app process alone.\n');
  await compareHttp(subjects, { sizes: [700], backend, address });
  console.log('\nThe same, with one session for all connections.\n');
  await compareHttp(subjects, { sizes: [700], isShared: true, backend, address });
}
