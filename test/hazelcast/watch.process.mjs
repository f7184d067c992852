// A watcher in a separate process. It reports all the time until when it counts as complete, and what it has heard.
// Instants are by a clock that all processes of the host share, because each has its own `performance.now()`.
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';

const store = new HazelcastStore(JSON.parse(process.argv[2]));
await store.open();
let news = [];
const watch = await store.watch((event) => news.push(event));
setInterval(() => {
  const now = Number(process.hrtime.bigint()) / 1e6;
  process.send({ completeUntil: now - (performance.now() - watch.completeUntil), news });
  news = [];
}, 5);
