// The cost of calls as the number of sessions grows, which should not affect it. One server runs at a time, because a
// million sessions need memory. STORE=redis measures only that one.
import { durationOf, rate, summary } from './figures.mjs';
import { chosen } from './frame/chosen.mjs';
import { anId, bytes } from './session.mjs';
import { growing } from './stores/growing.mjs';

export const title = 'As sessions accumulate';
export const topic = 'growth';
export const how = `Calls one by one, of random sessions of ${bytes} bytes, at each number of sessions, after a round that does not count. In brackets are the 5th and the 95th percentile. The calls of a group have one of 10,000 sessions, which are added for them.`;

export async function run(bench) {
  const measures = [];
  for (const [word, { name, about, sizes: all, start }] of chosen(growing)) {
    const sizes = bench.scale(all, [1_000, 5_000]);
    bench.step(`${name} starts`);
    const server = await start(sizes.at(-1));
    try {
      measures.push(...(await measure(word, name, about, server, sizes, bench)));
    } finally {
      await server.stop();
    }
  }
  return measures;
}

async function measure(word, name, about, server, sizes, { scale, step }) {
  const { contender, fill, memory } = server;
  const { store } = contender;
  const calls = scale(1_000, 100);
  const group = scale(10_000, 500);
  const ids = [];
  const rows = { single: [], several: [] };
  const bytesRows = [];
  for (const [round, size] of [sizes[0], ...sizes].entries()) {
    const counts = round > 0;
    step(`${name}, ${size.toLocaleString('en')} sessions${counts ? '' : ', to warm up'}`);
    const added = Array.from({ length: size - ids.length }, () => anId());
    const before = await memory?.();
    if (fill) await fill(added);
    else await rate(added.length, 64, (index) => contender.create(added[index]));
    for (const id of added) ids.push(id);
    const row = { package: name, x: size };
    if (memory && added.length > 0) {
      const each = ((await memory()) - before) / added.length;
      bytesRows.push({ ...row, case: 'a session in no group', ...summary([each]) });
    }

    const any = () => ids[Math.floor(Math.random() * ids.length)];
    const mortal = Array.from({ length: calls }, () => anId());
    const ofGroup = `group ${round}`;
    await rate(group, 64, () => contender.create(anId(), [ofGroup]));

    const single = [
      ['read', calls, () => contender.read(any())],
      ['write', calls, () => contender.write(any())],
      ['touch', calls, () => contender.touch(any())],
      ['create', calls, (index) => contender.create(mortal[index])],
      ['rotate', calls, (index) => contender.rotate(mortal[index])],
      ['destroy', calls, (index) => contender.destroy(mortal[index])],
    ];
    const several = [
      ['count all', 11, () => store.count()],
      ['count a group', 11, () => store.count(ofGroup)],
      ['a page of 100 of a group', 11, () => store.page({ group: ofGroup, limit: 100 })],
      ['clear a group', 1, () => clear(store, ofGroup, group)],
    ];
    for (const [kind, parts, timed] of [
      ['single', 1000, single],
      ['several', 1, several],
    ]) {
      for (const [what, times, call] of timed) {
        const took = await spreadOf(times, parts, call);
        if (counts) rows[kind].push({ ...row, case: what, ...took });
      }
    }
  }
  const shared = { better: 'lower', chart: 'lines' };
  const measures = [
    { ...shared, name: word, title: `${name}: calls of one session`, about, unit: 'µs', rows: rows.single },
    {
      ...shared,
      name: `${word}-several`,
      title: `${name}: calls of a group, and of all sessions`,
      unit: 'ms',
      rows: rows.several,
    },
  ];
  if (memory)
    measures.push({
      name: `${word}-memory`,
      title: `${name}: data in the server`,
      unit: 'bytes, with indexes',
      better: 'lower',
      rows: bytesRows,
    });
  return measures;
}

async function clear(store, group, expected) {
  const cleared = await store.clear(group);
  if (cleared !== expected) throw new Error(`clear removed ${cleared} of ${expected}`);
}

/** How long calls take, one after the other, in parts of a millisecond. */
async function spreadOf(count, parts, call) {
  const times = [];
  for (let index = 0; index < count; index++) times.push(parts * (await durationOf(() => call(index))));
  const sorted = times.toSorted((one, other) => one - other);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  return { median: at(0.5), low: at(0.05), high: at(0.95) };
}
