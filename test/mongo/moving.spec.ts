import mongoose, { type Connection } from 'mongoose';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aRecord } from '../record.js';
import { parameters, startMongo } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';

const SESSIONS = 200;
const COUNTS = 20;
const HOUR = 3_600_000;

/** A server on which other calls run between any two steps of a count, as they do in a large collection. */
let server: Server;
let connection: Connection;
beforeAll(async () => {
  server = await startMongo({ args: parameters({ internalQueryExecYieldIterations: 1 }) });
  connection = await mongoose.createConnection(server.url).asPromise();
});
afterAll(async () => {
  await connection.destroy();
  await server.stop();
});

it('a count and a listing of all have each session once while expiries move, and a clear misses none', async () => {
  const store = new MongoStore({ connection, timeout: 10_000 });
  await store.open();
  const records = Array.from({ length: SESSIONS }, (_, index) => aRecord(`k${index}`));
  await Promise.all(records.map((record) => store.create(record)));
  const over = new AbortController();
  let moves = 0;
  const move = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const record = records[moves % SESSIONS]!;
      await store.update(record, { expiresAt: record.expiresAt + HOUR + moves++ });
    }
  };
  const moving = Promise.all(Array.from({ length: 8 }, move));
  const counts: number[] = [];
  const listed: string[][] = [];
  let cleared: number;
  try {
    for (let time = 0; time < COUNTS; time++) {
      counts.push(await store.count());
      const { records: page } = await store.page({ limit: 1_000 });
      listed.push(page.map(({ id }) => id));
    }
    cleared = await store.clear();
  } finally {
    over.abort();
    await moving;
  }
  expect(moves).toBeGreaterThan(COUNTS);
  expect(counts).toEqual(Array.from({ length: COUNTS }, () => SESSIONS));
  const ids = records.map(({ id }) => id).toSorted();
  for (const page of listed) expect(page).toEqual(ids);
  expect(cleared).toBe(SESSIONS);
  expect(await store.count()).toBe(0);
});
