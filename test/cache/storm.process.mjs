// A process of a storm: `node storm.process.mjs <store> <options>`. It answers `{ storm }` and `{ disagreements }`.
import { CachedStore } from 'nestjs-session-stores/store';
import { openStore } from '../stores/open.store.mjs';
import { disagreements, storm } from './storm.mjs';

const [word, options] = process.argv.slice(2);
const store = new CachedStore(await openStore(word, options));
await store.open();

process.on('message', async ({ storm: task, disagreements: ids }) => {
  // Other messages are those of the store of a cluster.
  if (task) process.send({ result: await storm(store, task) });
  if (ids) process.send({ result: await disagreements(store, ids) });
});
process.on('disconnect', () => process.exit());
process.send({ result: 'open' });
