// A primary with one worker: passes tasks from the bench to the worker, and its figures back.
import cluster from 'node:cluster';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import { peer } from '../stores/theirs.mjs';

const [contender] = process.argv.slice(2);
if (contender === 'ours') serveSessions();
else peer('strong-cluster-express-store').setup();

cluster.setupPrimary({ exec: `${import.meta.dirname}/worker.mjs`, args: [contender] });
const worker = cluster.fork();
let before;
let measured;
worker.on('message', ({ figures, done }) => {
  if (figures) {
    const { user, system } = process.cpuUsage(before);
    measured = { ...figures, primary: user + system };
  }
  if (done) process.send({ ...measured });
});
process.on('message', (task) => {
  before = process.cpuUsage();
  worker.send({ task });
});
process.on('disconnect', () => process.exit());
