import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { rate } from '../figures.mjs';
import { anId } from '../session.mjs';
import { ours } from '../stores/ours.mjs';
import { peer, theirs } from '../stores/theirs.mjs';

const HELD = 1000;
const ids = Array.from({ length: HELD }, () => anId());

const contenders = {
  ours: () => ours(new ClusterStore()),
  theirs() {
    const Store = peer('strong-cluster-express-store')(peer('express-session'));
    return theirs(new Store());
  },
};

const store = await contenders[process.argv[2]]();
for (const id of ids) await store.create(id);

// The id of a session that was destroyed cannot be used again soon.
let round = 0;
const works = {
  read: (index) => store.read(ids[index % HELD]),
  'read, all of it parsed': (index) => store.parsed(ids[index % HELD]),
  'write one property': (index) => store.write(ids[index % HELD]),
  create: (index) => store.create(`${round} ${index}`),
};

process.on('message', async ({ task }) => {
  if (!task) return;
  const { operation, count, inFlight } = task;
  const before = process.cpuUsage();
  const perSecond = await rate(count, inFlight, works[operation]);
  const { user, system } = process.cpuUsage(before);
  process.send({ figures: { perSecond, worker: user + system } });
  if (operation === 'create') {
    await rate(count, 256, (index) => store.destroy(`${round} ${index}`));
    round++;
  }
  process.send({ done: true });
});
process.send({ done: true });
