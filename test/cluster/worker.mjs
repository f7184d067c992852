// A worker whose ClusterStores are called from the primary: see worker.store.ts.
import { setImmediate } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';

const stores = new Map();
const watches = new Map();
/** From an instant of `performance.now()` to one of the host's clock; too low by no more than an interruption. */
const offset = hostTime() - performance.now();

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

/** Watches a store. Sends each event, and how far the watch is complete, in this order on one channel. */
async function watch(store, number) {
  const send = (some) => process.send({ watched: serialize({ number, ...some }).toString('base64') });
  let last = -Infinity;
  let watching;
  const report = () => {
    const { completeUntil = -Infinity } = watching ?? {};
    if (completeUntil !== last) send({ completeUntil: completeUntil + offset });
    last = completeUntil;
  };
  watching = await store.watch((event) => {
    send({ event, at: hostTime() });
    report();
  });
  watches.set(number, { watching, timer: setInterval(report, 5) });
  report();
}

function unwatch(number) {
  const { watching, timer } = watches.get(number) ?? {};
  watching?.close();
  clearInterval(timer);
  watches.delete(number);
}

/** The host's monotonic clock, which all processes share, in milliseconds. */
function hostTime() {
  return Number(process.hrtime.bigint()) / 1e6;
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
