// A primary with two workers that run server.mjs, each on a port of its own.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { figuresNow } from './process.mjs';
import { peer } from '../stores/theirs.mjs';

const [subject, ...args] = process.argv.slice(2);
if (subject === 'strong-cluster-express-store') peer('strong-cluster-express-store').setup();
else {
  const { serveSessions } = await import('nestjs-session-stores/stores/cluster');
  serveSessions();
}
cluster.setupPrimary({ exec: `${import.meta.dirname}/server.mjs`, args: [subject, ...args] });
const workers = [cluster.fork(), cluster.fork()];
const ports = await Promise.all(workers.map((worker) => next(worker, 'port')));
process.send({ ports });

process.on('message', async (message) => {
  if (message !== 'figures') return;
  const pending = workers.map((worker) => next(worker, 'figures'));
  for (const worker of workers) worker.send('figures');
  const all = await Promise.all(pending);
  const own = figuresNow();
  process.send({
    figures: {
      cpu: all.reduce((sum, { cpu }) => sum + cpu, own.cpu),
      heap: own.heap,
      workerHeap: Math.max(...all.map(({ heap }) => heap)),
    },
  });
});
process.on('disconnect', () => process.exit());

/** The next message of a worker with a property. The others are those of the stores. */
async function next(worker, name) {
  for (;;) {
    const [message] = await once(worker, 'message');
    if (message?.[name] !== undefined) return message[name];
  }
}
