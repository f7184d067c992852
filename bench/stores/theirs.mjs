// A store of express-session, as the benches call it.
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { session } from '../session.mjs';

/** What the figures compare with, from a package.json of its own. */
export const peer = createRequire(import.meta.resolve('../peers/package.json'));

/**
 * @param {import('express-session').Store} store
 * @param {() => Promise<unknown>} close
 */
export function theirs(store, close) {
  const call = (name) => (store[name] ? promisify(store[name]).bind(store) : undefined);
  const [get, set, touch, destroy] = ['get', 'set', 'touch', 'destroy'].map(call);
  return {
    store,
    create: (key) => set(key, session),
    read: get,
    // They parse, or have parsed, all of it in any case.
    parsed: get,
    write: (key) => set(key, { ...session, visits: 18 }),
    touch: touch && ((key) => touch(key, session)),
    destroy,
    count: call('length'),
    clear: call('clear'),
    close,
  };
}
