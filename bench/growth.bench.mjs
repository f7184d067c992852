// The cost of calls as the number of sessions grows, which should not affect it. One server runs at a time, because a
// million sessions need memory. STORE=redis measures only that one.
import { durationOf, rate, summary } from './figures.mjs';
import { chosen } from './frame/chosen.mjs';
import { anId, bytes } from './session.mjs';
import { growing } from './stores/growing.mjs';

export const title = 'As sessions accumulate';
export const topic = 'growth';
export const how = `Calls one by one, of random sessions of ${bytes} bytes, at each number of sessions. In brackets are the 5th and the 95th percentile.`;

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
  const many = group.toLocaleString('en');
  const ids = [];
  const rows = [];
  const bytesRows = [];
  const empty = await memory?.();
  for (const size of sizes) {
    step(`${name}, ${size.toLocaleString('en')} sessions`);
    const added = Array.from({ length: size - ids.length }, () => anId());
    if (fill) await fill(added);
    else await rate(added.length, 64, (index) => contender.create(added[index]));
    for (const id of added) ids.push(id);
    const row = { package: name, x: size };
    if (memory) {
      const each = ((await memory()) - empty) / size;
      bytesRows.push({ ...row, case: 'bytes of a session', ...summary([each]) });
    }

    const any = () => ids[Math.floor(Math.random() * ids.length)];
    const mortal = Array.from({ length: calls }, () => anId());
    const ofGroup = `group of ${size}`;
    await rate(group, 64, () => contender.create(anId(), [ofGroup]));

    for (const [what, times, call] of [
      ['read', calls, () => contender.read(any())],
      ['write', calls, () => contender.write(any())],
      ['touch', calls, () => contender.touch(any())],
      ['create', calls, (index) => contender.create(mortal[index])],
      ['rotate', calls, (index) => contender.rotate(mortal[index])],
      ['destroy', calls, (index) => contender.destroy(mortal[index])],
      ['count all', 11, () => store.count()],
      [`count ${many} of a group`, 11, () => store.count(ofGroup)],
      ['page of 100', 11, () => store.page({ group: ofGroup, limit: 100 })],
      [`clear ${many} of a group`, 1, () => clear(store, ofGroup, group)],
    ])
      rows.push({ ...row, case: what, ...(await micros(times, call)) });
  }
  const measures = [
    {
      name: word,
      title: `${name}: the time of a call`,
      about,
      unit: 'µs',
      better: 'lower',
      chart: 'lines',
      rows,
    },
  ];
  if (memory)
    measures.push({
      name: `${word}-memory`,
      title: `${name}: memory of the server`,
      unit: 'bytes per session, with indexes',
      better: 'lower',
      rows: bytesRows,
    });
  return measures;
}

async function clear(store, group, expected) {
  const cleared = await store.clear(group);
  if (cleared !== expected) throw new Error(`clear removed ${cleared} of ${expected}`);
}

async function micros(count, call) {
  const times = [];
  for (let index = 0; index < count; index++) times.push(1000 * (await durationOf(() => call(index))));
  const sorted = times.toSorted((one, other) => one - other);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  return { median: at(0.5), low: at(0.05), high: at(0.95) };
}
