// Watches a store, and reports for each id that it is sent what it knows about it.
import { RedisStore } from 'nestjs-session-stores/stores/redis';

const [url, prefix] = process.argv.slice(2);
const store = new RedisStore({ url, prefix });
await store.open();

const heard = new Set();
let losses = 0;
const watch = await store.watch((event) => {
  if (event.type === 'lost') losses++;
  else if ('ids' in event) for (const id of event.ids) heard.add(id);
});

let lossesBefore = 0;
process.on('message', (id) => {
  const age = performance.now() - watch.completeUntil;
  process.send({ age, heard: heard.has(id), wasLost: losses > lossesBefore });
  lossesBefore = losses;
});
process.send('watching');
