// The session of a medium-sized app: some 700 bytes as JSON.
import { randomBytes } from 'node:crypto';

export const session = {
  cookie: { originalMaxAge: 1_800_000, expires: '2030-01-01T00:00:00.000Z', httpOnly: true, path: '/' },
  user: { id: 4711, name: 'Ada Lovelace', email: 'ada.lovelace@example.com', roles: ['admin', 'editor'] },
  csrf: 'hX2b7nUu1Wl0aXkqfW3m9pZb5sVd8cRy',
  locale: 'en-GB',
  returnTo: '/account/orders?page=2&sort=date',
  cart: Array.from({ length: 5 }, (_, index) => ({ sku: `SKU-000${index}`, count: index + 1, price: 19.99 })),
  flash: { info: ['Your address was saved.'], error: [] },
  lastSeen: 1_750_000_000_000,
  visits: 17,
};

export const bytes = JSON.stringify(session).length;

export const secretHash = 'p'.repeat(43);

/** The session as a record, with one serialized value per top-level property. */
export function aRecord(id = anId()) {
  const data = { __proto__: null };
  for (const name in session) data[name] = JSON.stringify(session[name]);
  const now = Date.now();
  return { id, secretHash, data, groups: [], createdAt: now, expiresAt: now + 3_600_000 };
}

export function anId() {
  return randomBytes(24).toString('base64url');
}
