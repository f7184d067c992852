// A store of ours, as the benches call it.
import { aRecord } from '../session.mjs';

const VISITS = JSON.stringify(18);
const HOUR = 3_600_000;

/** @param {import('nestjs-session-stores').SessionStore} store not open yet */
export async function ours(store) {
  await store.open();
  return {
    store,
    create: (key, groups = []) => store.create({ ...aRecord(key), groups }),
    read: (key) => store.read(key),
    async parsed(key) {
      const { data } = await store.read(key);
      for (const name in data) JSON.parse(data[name]);
    },
    write: (key) => store.update({ key }, { set: { visits: VISITS } }),
    // What a due touch of the middleware costs: it knows the expiry that it read.
    touch: (key) => store.update({ key }, { expiresAt: Date.now() + HOUR }),
    destroy: (key) => store.destroy(key),
    count: () => store.count(),
    clear: () => store.clear(),
    close: () => store.close(),
  };
}
