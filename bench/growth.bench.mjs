// The cost of calls as the number of sessions grows, which should not affect it. One server runs at a time, because a
// million sessions need memory. STORE=redis measures only that one.
import { rate, summary, table } from './figures.mjs';
import { anId } from './session.mjs';
import { growing } from './stores/growing.mjs';

export const title = 'Growth: µs per call, one by one, as the number of sessions grows';

const CALLS = 1_000;
const GROUP = 10_000;

export async function run() {
  const { STORE: only } = process.env;
  if (only && !growing[only]) throw new Error(`STORE must be one of ${Object.keys(growing).join(', ')}`);
  for (const { title: name, start, sizes } of only ? [growing[only]] : Object.values(growing)) {
    const server = await start();
    try {
      await measure(name, server, sizes);
    } finally {
      await server.stop();
    }
  }
}

async function measure(name, { contender, fill, memory, foreign }, sizes) {
  const { store } = contender;
  const ids = [];
  const rows = [];
  const empty = await memory?.();
  for (const size of sizes) {
    const added = Array.from({ length: size - ids.length }, () => anId());
    if (fill) await fill(added);
    else await rate(added.length, 64, (index) => contender.create(added[index]));
    for (const id of added) ids.push(id);
    const bytes = memory && ((await memory()) - empty) / size;

    const any = () => ids[Math.floor(Math.random() * ids.length)];
    const mortal = Array.from({ length: CALLS }, () => anId());
    const group = `group of ${size}`;
    const members = Array.from({ length: GROUP }, () => anId());
    await rate(GROUP, 64, (index) => contender.create(members[index], [group]));

    const row = [size.toLocaleString('en')];
    for (const call of [
      () => contender.read(any()),
      () => contender.write(any()),
      () => contender.touch(any()),
      (index) => contender.create(mortal[index]),
      (index) => contender.rotate(mortal[index]),
      (index) => contender.destroy(mortal[index]),
    ]) {
      row.push(await micros(CALLS, call));
    }
    row.push(await micros(11, () => store.count()));
    row.push(await micros(11, () => store.count(group)));
    row.push(await micros(11, () => store.page({ group, limit: 100 })));
    row.push(await micros(1, () => clear(store, group)));
    rows.push([...row, bytes === undefined ? 'not measured' : bytes.toFixed(0)]);
  }
  console.log(`\n${name}${foreign ? `, among ${foreign}` : ''}; medians.\n`);
  table(
    [
      'sessions',
      'read',
      'write',
      'touch',
      'create',
      'rotate',
      'destroy',
      'count all',
      `count ${GROUP} of a group`,
      'page of 100',
      `clear ${GROUP} of a group`,
      'bytes per session, in the server',
    ],
    rows,
  );
}

async function clear(store, group) {
  const cleared = await store.clear(group);
  if (cleared !== GROUP) throw new Error(`clear removed ${cleared} of ${GROUP}`);
}

async function micros(count, call) {
  const times = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await call(index);
    times.push((performance.now() - start) * 1000);
  }
  return Math.round(summary(times).median).toLocaleString('en');
}
