// A worker whose ClusterStores are called from the primary: see worker.store.ts.
import { setImmediate } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import { watchReports } from '../stores/feed.reports.mjs';

const stores = new Map();
/** By their number, what ends them. */
const watches = new Map();

process.on('message', async (message) => {
  if (message?.drive === undefined) return;
  const { id, store: number, method, args } = deserialize(Buffer.from(message.drive, 'base64'));
  if (method === 'new') return stores.set(number, newStore(...args));
  if (method === 'say') return process.send(args[0]);
  const reply = (some) => process.send({ driven: serialize({ id, ...some }).toString('base64') });
  try {
    const store = method === 'serve' ? { serve: serveSessions } : await stores.get(number);
    if (method === 'watch') return reply({ value: await watch(store, ...args) });
    if (method === 'unwatch') return reply({ value: unwatch(...args) });
    if (method === 'countInTicks') return reply({ value: await countInTicks(store, ...args) });
    reply({ value: withoutPrototypes(await store[method](...args)) });
  } catch ({ name, message: reason, status, cause }) {
    reply({ error: { name, message: reason, status, cause: cause && String(cause) } });
  }
});
process.send({ ready: true });

async function countInTicks(store, ticks) {
  const counts = [];
  for (let tick = 0; tick < ticks; tick++) {
    counts.push(store.count(), store.count());
    await setImmediate();
  }
  return Promise.all(counts);
}

/** Watches a store, and sends what the watcher reports, in order on one channel. */
async function watch(store, number) {
  const send = (report) => process.send({ watched: serialize({ number, ...report }).toString('base64') });
  watches.set(number, await watchReports(store, send));
}

function unwatch(number) {
  watches.get(number)?.();
  watches.delete(number);
}

async function newStore(options, copy) {
  const { ClusterStore } = await import(copy);
  return new ClusterStore(options);
}

/** Throws unless the data of records has a null prototype, which would be lost in the message. */
function withoutPrototypes(value) {
  for (const record of value?.records ?? [value]) {
    if (record?.data && Object.getPrototypeOf(record.data) !== null) throw new Error('data has a prototype');
  }
  return value;
}
