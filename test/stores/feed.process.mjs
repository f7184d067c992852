// A process that watches a store: `node feed.process.mjs <store> <options>`. It sends what the watcher reports.
import { watchReports } from './feed.reports.mjs';
import { openStore } from './open.store.mjs';

const [word, options] = process.argv.slice(2);
const store = await openStore(word, options);
await watchReports(store, (report) => process.send(report));
process.on('disconnect', () => process.exit());
