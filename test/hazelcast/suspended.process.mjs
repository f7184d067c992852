// Opens a store and writes sessions all the time. Prints how many writes have succeeded, five times a second.
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';

const [clusterName, members] = process.argv.slice(2);
const network = { clusterMembers: members.split(',') };
const store = new HazelcastStore({
  config: { clusterName, network, properties: { 'hazelcast.logging.level': 'OFF' } },
});
await store.open();

let started = 0;
let done = 0;
setInterval(() => {
  const now = Date.now();
  const id = `${process.pid}-${started++ % 20}`;
  const record = { id, secretHash: 'hash', data: {}, groups: [], createdAt: now, expiresAt: now + 60_000 };
  const write = async () => {
    await store.create(record);
    await store.update(record, { set: { written: String(now) } });
  };
  write().then(
    () => done++,
    () => {},
  );
}, 10);
setInterval(() => {
  console.log(done);
  done = 0;
}, 200);
