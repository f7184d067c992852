// A primary that changes sessions 200 000 times while a worker that watches them is stopped. Its argument says how many
// sessions there are. Prints how much memory it took, how many messages it sent, and what the worker heard.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';

const CHANGES = 200_000;
const sessions = Number(process.argv[2]);
const store = new ClusterStore();
await store.open();
const expiresAt = Date.now() + 3_600_000;
const idOf = (number) => `a session with an id of the usual length ${number}`;
for (let number = 0; number < sessions; number++) {
  const record = { id: idOf(number), secretHash: 'hash', data: {}, groups: [], createdAt: 0, expiresAt };
  await store.create(record);
}

async function flood() {
  for (let change = 0; change < CHANGES; change++) {
    await store.update({ id: idOf(change % sessions) }, { set: { change: `${change}` } });
    if (change % 100 === 0) await setImmediate();
  }
}

await flood();
serveSessions();
cluster.setupPrimary({ exec: `${import.meta.dirname}/watching.worker.mjs`, silent: true });
const worker = cluster.fork();
const heard = [];
createInterface({ input: worker.process.stdout }).on('line', (line) => heard.push(JSON.parse(line)));
worker.process.stderr.pipe(process.stderr);
while (heard.length === 0) await setTimeout(10);

let messages = 0;
const { send } = worker;
worker.send = (...args) => {
  messages++;
  return send.apply(worker, args);
};
worker.process.kill('SIGSTOP');
globalThis.gc();
const before = process.memoryUsage();
await flood();
globalThis.gc();
const after = process.memoryUsage();
const sent = messages;
worker.process.kill('SIGCONT');
await store.destroy(idOf(0));
const last = () => heard.at(-1)?.type;
while (last() !== 'ended' && !(last() === 'live' && heard.length > 1)) await setTimeout(10);
const megabytes = (name) => Math.round((after[name] - before[name]) / 1024 / 1024);
console.log(
  JSON.stringify({
    rss: megabytes('rss'),
    heap: megabytes('heapUsed'),
    sent,
    course: heard.filter(({ ids }) => !ids),
  }),
);
const gone = once(worker, 'exit');
worker.process.kill('SIGKILL');
await gone;
process.exit();
