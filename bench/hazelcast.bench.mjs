// Compares HazelcastStore with hazelcast-store on two members.
import { bytes } from './session.mjs';
import { DIFFERENCES } from './stores/calls.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'Hazelcast';
export const topic = 'calls';
export const how = `One process calls the stores directly, with sessions of ${bytes} bytes, on two members. hazelcast-store has no touch, and its writes neither detect nor report changes by others. ${DIFFERENCES}`;

export function run(bench) {
  return compareStores('hazelcast', title, bench);
}
