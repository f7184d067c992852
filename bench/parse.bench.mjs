// When parsing a value only on access pays off: the figures behind PARSE_LATER in lib/session/data.ts.
import { alternate, summary } from './figures.mjs';

export const title = 'Deferred parsing';
export const topic = 'inside';
export const how =
  'One value of a session, loaded and compared once. The middleware parses values of 64 characters or more only on access.';

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

export async function run({ scale, step }) {
  const rows = [];
  for (const length of [16, 32, 64, 128, 256, 1024, 4096]) {
    step(`${length} characters`);
    const value = { items: [] };
    while (JSON.stringify(value).length < length) value.items.push({ sku: `s${value.items.length}`, n: 1 });
    text = JSON.stringify(value);
    const figures = await alternate(Object.keys(ways), { rounds: scale(9, 3) }, async (way) => ({
      time: nanoseconds(ways[way], scale(20_000, 2_000)),
    }));
    for (const [way, { time }] of figures)
      rows.push({
        case: `${text.length} characters`,
        package: 'ClusterStore',
        variant: way,
        ...summary(time),
      });
  }
  return [{ name: 'values', title: 'The time of one value', unit: 'ns', better: 'lower', rows }];
}

function nanoseconds(way, times) {
  const start = process.hrtime.bigint();
  let right = true;
  for (let time = 0; time < times; time++) right = way() && right;
  if (!right) throw new Error('a value has changed');
  return Number(process.hrtime.bigint() - start) / times;
}
