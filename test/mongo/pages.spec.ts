import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';

const MIB = 2 ** 20;
const LARGE = 14;

let connection: Connection;
let store: MongoStore;
beforeAll(async () => {
  connection = await mongoose.createConnection(inject('mongo').url).asPromise();
});
afterAll(() => connection.destroy());
beforeEach(async () => {
  const collection = `pages-${randomUUID()}`;
  store = new MongoStore({ connection, collection, timeout: 10_000 });
  await store.open();
  return () => connection.db!.dropCollection(collection);
});

async function create(name: string, count: number, length: number): Promise<string[]> {
  const data = { text: JSON.stringify('x'.repeat(length)) };
  const ids = Array.from({ length: count }, (_, at) => `${name}${String(at).padStart(4, '0')}`);
  await Promise.all(ids.map((id) => store.create(aRecord(id, { data }))));
  return ids;
}

/** The ids on each page. */
async function pages(limit: number): Promise<string[][]> {
  const found: string[][] = [];
  let after: string | undefined;
  do {
    const { records, next } = await store.page({ limit, ...(after !== undefined && { after }) });
    found.push(records.map(({ id }) => id));
    after = next;
  } while (after !== undefined);
  return found;
}

describe('a page', () => {
  it('of large sessions has about 4 MiB, even if its limit allows more sessions', async () => {
    const ids = await create('k', LARGE, MIB);
    const found = await pages(1_000);
    expect(found.flat()).toEqual(ids);
    for (const page of found) expect(page.length).toBeLessThanOrEqual(5);
  });

  it('of small sessions has as many as its limit', async () => {
    const ids = await create('k', 120, 100);
    expect((await pages(50)).map((page) => page.length)).toEqual([50, 50, 20]);
    expect((await pages(1_000)).flat()).toEqual(ids);
  });

  it('of large sessions after small ones has no more than fit into one response of MongoDB', async () => {
    const ids = [...(await create('a', 20, 100)), ...(await create('b', 2 * LARGE, MIB))];
    const found = await pages(1_000);
    expect(found.flat()).toEqual(ids);
    const sizes = found.map((page) => page.filter((id) => id.startsWith('b')).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16);
    expect(Math.max(...sizes.slice(1))).toBeLessThanOrEqual(5);
  });
});
