// Compares MongoStore with connect-mongo on a replica set of one.
import { bytes } from './session.mjs';
import { DIFFERENCES } from './stores/calls.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'MongoDB';
export const topic = 'calls';
export const how = `One process calls the stores directly, with sessions of ${bytes} bytes, on a replica set of one. MongoStore waits for the majority and the journal with each write. connect-mongo uses the default of the server, which is the same here. Reads that MongoStore has to send at the same time share one command. ${DIFFERENCES}`;

export function run(bench) {
  return compareStores('mongo', title, bench);
}
