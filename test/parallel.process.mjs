// A process that changes one session many times in parallel: `node parallel.process.mjs <store> <options>`. For each
// message it makes the changes, and sends back how many were acknowledged, and the errors of the others.
import { openStore } from './stores/open.store.mjs';

const [word, options] = process.argv.slice(2);
const store = await openStore(word, options);
process.on('message', async ({ id, changes }) => {
  const record = await store.read(id);
  const outcomes = await Promise.allSettled(changes.map((change) => store.update(record, change)));
  const errors = outcomes.flatMap(({ reason }) => (reason ? [reason.message] : []));
  const acknowledged = outcomes.filter(({ value }) => value !== undefined).length;
  process.send({ acknowledged, errors: [...new Set(errors)] });
});
process.on('disconnect', () => process.exit());
process.send('open');
