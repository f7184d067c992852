// Adapts a store of ours to the benches.
import { aRecord, secretHash } from '../session.mjs';

const HOUR = 3_600_000;

/** Longer than the default, because a bench may have a server do more than it can for a while. */
export const TIMEOUT = 30_000;

/** @param {import('nestjs-session-stores').SessionStore} store not opened yet */
export async function ours(store) {
  await store.open();
  // Different each time, because a store may detect that nothing changed.
  let visits = 0;
  return {
    store,
    create: (id, groups = []) => store.create({ ...aRecord(id), groups }),
    read: (id) => store.read(id),
    async parsed(id) {
      const { data } = await store.read(id);
      for (const name in data) JSON.parse(data[name]);
    },
    write: (id) => store.update({ id }, { set: { visits: String(visits++) } }),
    // As a request does: it passes on what the store has attached to the session that it read.
    async revise(id) {
      const { hint } = await store.read(id);
      await store.update({ id, hint }, { set: { visits: String(visits++) } });
    },
    // Like a due touch of the middleware, which knows the expiry that it read.
    touch: (id) => store.update({ id }, { expiresAt: Date.now() + HOUR }),
    rotate: (id) => store.rotate({ id }, secretHash, 'q'.repeat(43), 0),
    destroy: (id) => store.destroy(id),
    // A request that logs a user in has read the session whose place it takes.
    known: (id) => store.read(id),
    async logIn({ before: { id, hint }, after }) {
      await store.regenerate(id, hint);
      await store.create({ ...aRecord(after), from: [id] });
    },
    count: () => store.count(),
    clear: () => store.clear(),
    close: () => store.close(),
  };
}
