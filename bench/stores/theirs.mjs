// A store of express-session, as the benches call it.
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { session } from '../session.mjs';

const HOUR = 3_600_000;

/** What the figures compare with, from a package.json of its own. */
export const peer = createRequire(import.meta.resolve('../peers/package.json'));

/**
 * @param {import('express-session').Store} store
 * @param {() => Promise<unknown>} close
 */
export function theirs(store, close) {
  const call = (name) => (store[name] ? promisify(store[name]).bind(store) : undefined);
  const [get, set, touch, destroy] = ['get', 'set', 'touch', 'destroy'].map(call);
  // Never the same twice: a server may see that nothing changed.
  let visits = 0;
  const expiring = () => {
    const expires = new Date(Date.now() + HOUR + visits++);
    return { ...session, cookie: { ...session.cookie, expires: expires.toISOString() } };
  };
  return {
    store,
    create: (id) => set(id, session),
    read: get,
    // They parse, or have parsed, all of it in any case.
    parsed: get,
    write: (id) => set(id, { ...expiring(), visits }),
    touch: touch && ((id) => touch(id, expiring())),
    destroy,
    count: call('length'),
    clear: call('clear'),
    close,
  };
}
