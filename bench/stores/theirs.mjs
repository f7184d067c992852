// Adapts a store of express-session to the benches.
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { session } from '../session.mjs';

const HOUR = 3_600_000;

/** Loads a package to compare with, from a separate package.json. */
export const peer = createRequire(import.meta.resolve('../peers/package.json'));

/**
 * @param {import('express-session').Store} store
 * @param {() => Promise<unknown>} close
 */
export function theirs(store, close) {
  const call = (name) => (store[name] ? promisify(store[name]).bind(store) : undefined);
  const [get, set, touch, destroy] = ['get', 'set', 'touch', 'destroy'].map(call);
  // Different each time, because a server may detect that nothing changed.
  let visits = 0;
  const expiring = () => {
    const expires = new Date(Date.now() + HOUR + visits++);
    return { ...session, cookie: { ...session.cookie, expires: expires.toISOString() } };
  };
  return {
    store,
    create: (id) => set(id, session),
    read: get,
    // They always parse the whole session.
    parsed: get,
    write: (id) => set(id, { ...expiring(), visits }),
    async revise(id) {
      const read = await get(id);
      await set(id, { ...read, visits: visits++ });
    },
    touch: touch && ((id) => touch(id, expiring())),
    destroy,
    known: async (id) => id,
    async logIn({ before, after }) {
      await destroy(before);
      await set(after, session);
    },
    count: call('length'),
    clear: call('clear'),
    close,
  };
}
