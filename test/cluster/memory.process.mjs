// Creates more sessions than the heap of this process could hold, some of them in a group. Prints how many are left of
// each kind, and the error of the last create.
import { randomUUID } from 'node:crypto';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

const MEGABYTE = 1024 * 1024;
const store = new ClusterStore();
await store.open();

async function create(groups) {
  const data = Object.assign(Object.create(null), {
    text: JSON.stringify(randomUUID().repeat(MEGABYTE / 36)),
  });
  const now = Date.now();
  const record = {
    id: randomUUID(),
    secretHash: 'hash',
    data,
    groups,
    createdAt: now,
    expiresAt: now + 3_600_000,
  };
  await store.create(record).catch((error) => {
    problem = error.message;
  });
}

let problem;
for (let index = 0; index < 200; index++) await create([]);
const anonymous = await store.count();
for (let index = 0; index < 200; index++) await create(['users']);
console.log(
  JSON.stringify({ anonymous, users: await store.count('users'), all: await store.count(), problem }),
);
await store.close();
