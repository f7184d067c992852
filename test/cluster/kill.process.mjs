// A primary that keeps its sessions in the directory of its first argument, with the durability of the second, and a
// worker with 32 writers. Each writer has one call in flight. It prints each call before it makes it, and each
// acknowledgement, as a line of JSON.
import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';

const [directory, durability] = process.argv.slice(2);
const WRITERS = 32;
/** A value that differs from all others: one that stays is not written again. */
const aLarge = () => JSON.stringify(randomUUID().padEnd(1000));

if (cluster.isPrimary) {
  await serveSessions({ directory, durability }).opened;
  cluster.fork();
} else {
  const store = new ClusterStore();
  await store.open();
  for (let writer = 0; writer < WRITERS; writer++) write(store).catch(() => process.exit());
}

async function write(store) {
  for (let turn = 0; ; turn++) {
    const id = randomUUID();
    await make(store, id);
    const end = turn % 5;
    if (end === 0) continue;
    if (end < 4) {
      await told({ id, call: 'destroy' }, () => store.destroy(id));
      continue;
    }
    await told({ id, call: 'regenerate' }, () => store.regenerate(id));
    await make(store, randomUUID(), [id]);
  }
}

async function make(store, id, from) {
  const now = Date.now();
  const data = Object.assign(Object.create(null), { count: '0', large: aLarge() });
  const record = {
    id,
    secretHash: 'first',
    data,
    groups: ['all'],
    createdAt: now,
    expiresAt: now + 3_600_000,
  };
  await told({ id, call: 'create' }, () => store.create(from ? { ...record, from } : record));
  for (const count of ['1', '2']) {
    const set = Object.assign(Object.create(null), { count, large: aLarge() });
    await told({ id, call: 'update', count }, () => store.update({ id }, { set }));
  }
  await told({ id, call: 'rotate' }, () => store.rotate({ id }, 'first', 'second', 60_000));
}

async function told(call, make_) {
  writeSync(1, `${JSON.stringify({ ...call, isAcknowledged: false })}\n`);
  await make_();
  writeSync(1, `${JSON.stringify({ ...call, isAcknowledged: true })}\n`);
}
