import { randomUUID } from 'node:crypto';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually, firstAnswer } from '../eventually.js';
import { aRecord } from '../record.js';
import { command, startMongoSet } from '../servers/mongo.mjs';
import { SlowMongoSet, fetches, roleOf } from './slow.set.js';

const LONG = process.env['LONG'] !== undefined;
const STEP_DOWNS = 20;

/** Two stores, as in two processes. */
async function twoStores(uri: string): Promise<[MongoStore, MongoStore]> {
  const stores: [MongoStore, MongoStore] = [new MongoStore({ uri }), new MongoStore({ uri })];
  for (const store of stores) {
    onTestFinished(() => store.close());
    await store.open();
  }
  return stores;
}

describe.runIf(LONG)('a write that was acknowledged', () => {
  it('is seen by the next read of another store, whenever the primary steps down', async () => {
    const set = await startMongoSet({ size: 3 });
    onTestFinished(() => set.stop());
    const [here, there] = await twoStores(set.url);
    const missed: string[] = [];
    let seen = 0;
    const over = new AbortController();
    /** Resolves to whether a call succeeded. */
    const done = (call: Promise<unknown>): Promise<boolean> =>
      call.then(
        () => true,
        () => false,
      );
    const check = async (what: string, id: string, isSeen: (count: unknown) => boolean): Promise<void> => {
      const record = await firstAnswer(() => there.read(id), { within: 30_000 });
      if (isSeen(record?.data['count'])) seen++;
      else missed.push(what);
    };
    const work = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const record = aRecord(randomUUID(), { data: { count: '0' } });
        const { id } = record;
        if (!(await done(here.create(record)))) continue;
        await check('create', id, (count) => count === '0');
        if (await done(here.update(record, { set: { count: '1' } })))
          await check('update', id, (count) => count === '1');
        if (await done(here.destroy(id))) await check('destroy', id, (count) => count === undefined);
      }
    };
    const working = Promise.all(Array.from({ length: 8 }, work));
    try {
      for (let time = 0; time < STEP_DOWNS; time++) {
        const before = seen;
        const { url } = await set.primary();
        const order = { replSetStepDown: 2, secondaryCatchUpPeriodSecs: 2 };
        await eventually(() => command(url, order, 'admin', 10_000), { within: 30_000 });
        await eventually(() => seen > before + 60, { within: 30_000 });
        await set.ready();
      }
    } finally {
      over.abort();
      await working;
    }
    expect(missed).toEqual([]);
  }, 300_000);

  it('is not undone by a primary that does not know yet that it was acknowledged', async () => {
    const set = await SlowMongoSet.start();
    onTestFinished(() => set.stop());
    const { primary, secondaries } = await set.roles();
    const [here, there] = await twoStores(set.url);
    const ids = Array.from({ length: 60 }, () => randomUUID());
    for (const id of ids) await eventually(() => here.create(aRecord(id)));

    // One secondary lags. The other has each write, and hears late that a majority has it.
    const lagging = secondaries[0]!;
    await fetches(lagging, false);
    primary.link.isSlow = true;
    const destroyed: string[] = [];
    const destroying = Promise.allSettled(
      ids.map(async (id, at) => {
        // One after the other, so that the last ones have only just been acknowledged.
        await eventually(() => destroyed.length >= at - 5);
        await here.destroy(id);
        destroyed.push(id);
      }),
    );
    await eventually(() => destroyed.length >= 12, { within: 60_000 });
    await primary.server.kill();
    primary.link.cut();
    const acknowledged = [...destroyed];

    await eventually(async () => (await Promise.all(secondaries.map(roleOf))).includes('primary'), {
      within: 20_000,
    });
    const read = await Promise.all(acknowledged.map((id) => firstAnswer(() => there.read(id))));
    expect(read.filter((record) => record !== undefined)).toEqual([]);
    await fetches(lagging, true);
    await destroying;
  }, 120_000);
});
