// When parsing a value only on access pays off: the figures behind PARSE_LATER in lib/session/data.ts.
import { summary, table } from './figures.mjs';

export const title = 'Deferred parsing: one value of a session, loaded and compared once';

const ROUNDS = 9;
const TIMES = 20_000;

class Session {}
let text;
const accessor = {
  get() {
    const value = JSON.parse(text);
    Object.defineProperty(this, 'value', { value, writable: true, enumerable: true, configurable: true });
    return value;
  },
  set() {},
  enumerable: true,
  configurable: true,
};

const unread = (session) => Object.getOwnPropertyDescriptor(session, 'value').get === accessor.get;
const unchanged = (session) => JSON.stringify(session.value) === text;

const ways = {
  'parsed at once': () => {
    const session = new Session();
    session.value = JSON.parse(text);
    return unchanged(session);
  },
  'parsed later, not read': () => unread(Object.defineProperty(new Session(), 'value', accessor)),
  'parsed later, read': () => {
    const session = Object.defineProperty(new Session(), 'value', accessor);
    return session.value !== undefined && (unread(session) || unchanged(session));
  },
};

export async function run() {
  const rows = [];
  for (const length of [16, 32, 64, 128, 256, 1024, 4096]) {
    const value = { items: [] };
    while (JSON.stringify(value).length < length) value.items.push({ sku: `s${value.items.length}`, n: 1 });
    text = JSON.stringify(value);
    const figures = Object.values(ways).map(() => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, way] of Object.values(ways).entries()) figures[index].push(nanoseconds(way));
    }
    rows.push([text.length, ...figures.map((one) => `${summary(one).median.toFixed(0)} ns`)]);
  }
  table(['characters', ...Object.keys(ways)], rows);
}

function nanoseconds(way) {
  const start = process.hrtime.bigint();
  let right = true;
  for (let time = 0; time < TIMES; time++) right = way() && right;
  if (!right) throw new Error('a value has changed');
  return Number(process.hrtime.bigint() - start) / TIMES;
}
