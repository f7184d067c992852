import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '../eventually.js';
import { Random } from '../http/random.js';
import { aRecord } from '../record.js';
import { distantStore, type DistantStore } from './distant.store.js';

const LONG = process.env['LONG'] !== undefined;
const CLEARS = LONG ? 300 : 30;
const HOUR = 3_600_000;

const { url } = inject('mongo');
const collection = `storm-${randomUUID()}`;

let connection: Connection;
/** One in this process, and one in another. */
let stores: [MongoStore, DistantStore];
beforeAll(async () => {
  connection = await mongoose.createConnection(url).asPromise();
  const here = new MongoStore({ uri: url, collection });
  await here.open();
  stores = [here, await distantStore({ uri: url, collection })];
});
afterAll(async () => {
  for (const store of stores) await store.close();
  await connection.db!.dropCollection(collection);
  await connection.destroy();
});

it(
  'clears and pages are exact while two processes join, leave, rotate and change expiries',
  async () => {
    const [here, there] = stores;
    const stayers = Array.from({ length: 60 }, (_, index) => aRecord(`stays-${index}`, { groups: ['stay'] }));
    await Promise.all(stayers.map((record) => here.create(record)));

    /** The join that made a session a member, by id, as long as it certainly is one. */
    const members = new Map<string, symbol>();
    const over = new AbortController();
    const until = async (turn: () => Promise<unknown>): Promise<void> => {
      while (!over.signal.aborted) await turn();
    };

    const wander = (store: MongoStore | DistantStore, seed: number): Promise<void> => {
      const random = new Random(seed);
      return until(async () => {
        const record = aRecord(randomUUID());
        const { id } = record;
        await store.create(random.chance(0.5) ? { ...record, groups: ['doomed'] } : record);
        if (random.chance(0.5) && (await store.update(record, { join: ['doomed'] })))
          members.set(id, Symbol());
        if (random.chance(0.5)) await store.rotate(record, 'secretHash', 'next', random.between(0, 1_000));
        if (random.chance(0.5))
          await store.update(record, { expiresAt: Date.now() + random.between(1, 3) * HOUR });
        if (random.chance(0.3)) {
          members.delete(id);
          await store.update(record, { leave: ['doomed'], join: ['left'] });
        }
      });
    };

    const disturb = (store: MongoStore | DistantStore, seed: number): Promise<void> => {
      const random = new Random(seed);
      let secretHash = 'secretHash';
      return until(async () => {
        const record = random.pick(stayers);
        await store.update(record, { expiresAt: Date.now() + random.between(1, 3) * HOUR, join: ['a'] });
        await store.rotate(record, secretHash, (secretHash = randomUUID()), 0);
        await store.update(record, { leave: ['a'], set: { turn: JSON.stringify(random.next()) } });
      });
    };

    let pagings = 0;
    const page = (): Promise<void> =>
      until(async () => {
        const ids: string[] = [];
        let after: string | undefined;
        do {
          // Alternates between the processes from page to page.
          const store = stores[ids.length % 2]!;
          const { records, next } = await store.page({
            group: 'stay',
            limit: 7,
            ...(after !== undefined && { after }),
          });
          ids.push(...records.map(({ id }) => id));
          after = next;
        } while (after !== undefined);
        expect(ids.toSorted()).toEqual(stayers.map(({ id }) => id).toSorted());
        pagings++;
      });

    let ended = 0;
    let expected = 0;
    const clear = async (): Promise<void> => {
      for (let round = 0; round < CLEARS; round++) {
        await eventually(() => members.size >= 5);
        const before = [...members];
        expected += before.length;
        ended += await stores[round % 2]!.clear('doomed');
        const found = await Promise.all(
          before.map(async ([id, join]) =>
            (await there.read(id)) && members.get(id) === join ? id : undefined,
          ),
        );
        expect(found.filter((id) => id !== undefined)).toEqual([]);
        for (const [id] of before) members.delete(id);
      }
    };

    const background = [
      wander(here, 1),
      wander(there, 2),
      wander(there, 3),
      disturb(here, 4),
      disturb(there, 5),
      page(),
    ];
    await clear().finally(() => over.abort());
    await Promise.all(background);

    expect(expected).toBeGreaterThan(CLEARS);
    expect(ended).toBeGreaterThan(expected);
    expect(pagings).toBeGreaterThan(3);
    await here.clear('doomed');
    expect(await there.count('doomed')).toBe(0);
    expect(await there.count('stay')).toBe(stayers.length);
  },
  LONG ? 300_000 : 30_000,
);
