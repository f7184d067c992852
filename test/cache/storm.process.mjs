// A process of a storm: `node storm.process.mjs <store> <options>`. It answers `{ storm }` and `{ disagreements }`.
import { CachedStore } from 'nestjs-session-stores/store';
import { openStore } from '../stores/open.store.mjs';
import { disagreements, storm } from './storm.mjs';

const [word, options] = process.argv.slice(2);
const store = new CachedStore(await openStore(word, options));
await store.open();

process.on('message', async (task) => {
  process.send(task.storm ? await storm(store, task.storm) : await disagreements(store, task.disagreements));
});
process.on('disconnect', () => process.exit());
process.send({ isOpen: true });
