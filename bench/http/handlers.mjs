// What the handlers of every app in the HTTP benches do, whatever its framework and its sessions are.

/** Fills a new session up to some `size` bytes. */
export function logIn(session, size) {
  Object.assign(session, { user: 'ann', theme: 'dark', visits: 0, ...data(size) });
  return read(session);
}

export function read(session) {
  return { user: session.user };
}

export function write(session) {
  session.visits++;
  return read(session);
}

/** The session of a request without sessions. */
export function noSession() {
  return { user: 'ann', visits: 0 };
}

/** What `data` returned, by length: it takes a second for a long one. */
const made = new Map();

/** A profile, and a cart that fills the session up to its length. */
function data(length) {
  if (!made.has(length)) made.set(length, newData(length));
  return made.get(length);
}

function newData(length) {
  const profile = { name: 'Ann Example', mail: 'ann@example.org', roles: ['user', 'editor'] };
  const cart = [];
  while (JSON.stringify({ profile, cart }).length < length - 50)
    cart.push({ sku: `sku-${cart.length}`, count: 1, price: 9.99 });
  return { profile, cart };
}
