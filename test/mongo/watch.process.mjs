// A watcher in a separate process. It reports all the time until when it counts as complete, and what it has heard.
// Instants are epoch milliseconds, because every process has its own `performance.now()`.
import { MongoStore } from 'nestjs-session-stores/stores/mongo';

const store = new MongoStore(JSON.parse(process.argv[2]));
await store.open();
let news = [];
const epoch = (instant) => performance.timeOrigin + instant;
const watch = await store.watch((event) => news.push({ event, at: epoch(performance.now()) }));
function report() {
  process.send({ completeUntil: epoch(watch.completeUntil), news });
  news = [];
}
setInterval(report, 5);

process.on('message', async () => {
  await store.close();
  process.exit();
});
