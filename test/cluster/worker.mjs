// A worker whose ClusterStores are driven from the primary: see worker.store.ts.
import { deserialize, serialize } from 'node:v8';

const copy = process.env.PACKAGE_COPY ?? 'nestjs-session-stores/stores/cluster';
const { ClusterStore } = await import(copy);
const stores = new Map();

process.on('message', async (message) => {
  if (message?.drive === undefined) return;
  const { id, store: number, method, args } = deserialize(Buffer.from(message.drive, 'base64'));
  const answer = (some) => process.send({ driven: serialize({ id, ...some }).toString('base64') });
  try {
    if (method === 'new') stores.set(number, new ClusterStore(...args));
    else answer({ value: withoutPrototypes(await stores.get(number)[method](...args)) });
  } catch ({ name, message: text, status }) {
    answer({ error: { name, message: text, status } });
  }
});
process.send({ ready: true });

/** Says which records have data on a null prototype, which does not travel. */
function withoutPrototypes(value) {
  for (const record of value?.records ?? [value]) {
    if (record?.data && Object.getPrototypeOf(record.data) !== null) throw new Error('data has a prototype');
  }
  return value;
}
