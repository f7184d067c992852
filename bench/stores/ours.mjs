// A store of ours, as the benches call it.
import { aRecord, proof } from '../session.mjs';

const HOUR = 3_600_000;

/** @param {import('nestjs-session-stores').SessionStore} store not open yet */
export async function ours(store) {
  await store.open();
  // Never the same twice: a store may see that nothing changed.
  let visits = 0;
  return {
    store,
    create: (key, groups = []) => store.create({ ...aRecord(key), groups }),
    read: (key) => store.read(key),
    async parsed(key) {
      const { data } = await store.read(key);
      for (const name in data) JSON.parse(data[name]);
    },
    write: (key) => store.update({ key }, { set: { visits: String(visits++) } }),
    // What a due touch of the middleware costs: it knows the expiry that it read.
    touch: (key) => store.update({ key }, { expiresAt: Date.now() + HOUR }),
    rotate: (key) => store.rotate({ key }, proof, 'q'.repeat(43), 0),
    destroy: (key) => store.destroy(key),
    count: () => store.count(),
    clear: () => store.clear(),
    close: () => store.close(),
  };
}
