import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';

/** Enough sessions for a scan to stand out. */
const SESSIONS = 2_000;
/** Documents of another program, and tombstones. Their ids come before, between and after those of the sessions. */
const FOREIGN = 6_000;
const MEMBERS = 20;
const collection = `commands-${randomUUID()}`;

const EXPIRES_AT = Date.now() + 3_600_000;

type Command = Record<string, unknown>;

let connection: Connection;
let store: MongoStore;
let sent: { name: string; command: Command; bytes: number }[] = [];

beforeAll(async () => {
  connection = await mongoose.createConnection(inject('mongo').url, { monitorCommands: true }).asPromise();
  store = new MongoStore({ connection, collection, timeout: 20_000 });
  await store.open();
  const ids = Array.from({ length: SESSIONS }, (_, index) => `k${String(index).padStart(5, '0')}`);
  await Promise.all(
    ids.map((id, index) =>
      store.create(
        aRecord(id, {
          groups: index % (SESSIONS / MEMBERS) === 0 ? ['g'] : [`other:${index}`],
          // Many expire at one instant, so that a query of one session by expiry would stand out.
          expiresAt: EXPIRES_AT,
        }),
      ),
    ),
  );
  const others = Array.from({ length: FOREIGN }, (_, index) => [
    { _id: `${'akz'[index % 3]}${index}`, groups: ['g'], expiresAt: new Date(EXPIRES_AT) },
    { _id: `${'akz'[index % 3]}-${index}`, nestjsSession: 0, until: new Date(EXPIRES_AT) },
  ]);
  await connection.db!.collection<{ _id: string }>(collection).insertMany(others.flat());
  connection.getClient().on('commandStarted', ({ commandName: name, command }) => {
    const bytes = mongoose.mongo.BSON.calculateObjectSize(command as Command);
    sent.push({ name, command: command as Command, bytes });
  });
});
afterAll(async () => {
  await connection.db!.dropCollection(collection);
  await connection.destroy();
});

async function sentBy(operation: () => Promise<unknown>): Promise<typeof sent> {
  sent = [];
  await operation();
  return sent.slice();
}

const live = aRecord('k00001');
const successor = (id: string) => aRecord(id, { from: ['gone', 'other'] });
const operations: [name: string, commands: string[], operation: () => Promise<unknown>][] = [
  ['read', ['find'], () => store.read(live.id)],
  [
    'update',
    ['findAndModify'],
    () => store.update(live, { set: { b: '1' }, join: ['h'], leave: ['other:1'] }),
  ],
  [
    'touch',
    ['findAndModify'],
    () => store.update(live, { touch: { from: EXPIRES_AT, to: EXPIRES_AT + 1 }, set: { c: '1' } }),
  ],
  [
    'touch of a session that another has touched',
    ['findAndModify', 'findAndModify'],
    () => store.update(live, { touch: { from: EXPIRES_AT - 1, to: EXPIRES_AT }, set: { c: '2' } }),
  ],
  ['rotate', ['findAndModify'], () => store.rotate(live, 'secretHash', 'next', 1_000)],
  ['create', ['findAndModify'], () => store.create(aRecord('new'))],
  ['create of a successor', ['findAndModify', 'find'], () => store.create(successor('next'))],
  ['destroy', ['findAndModify'], () => store.destroy('new')],
  ['destroy of a session that is gone', ['findAndModify', 'find'], () => store.destroy('gone')],
  ['regenerate', ['findAndModify'], () => store.regenerate('next')],
  ['regenerate of a session that was regenerated', ['findAndModify'], () => store.regenerate('next')],
  ['regenerate of a session that has ended', ['findAndModify'], () => store.regenerate('new')],
  ['regenerate of a session that is gone', ['findAndModify', 'find'], () => store.regenerate('gone')],
  ['haveEnded', ['find'], () => store.haveEnded(['gone', 'next', 'new', live.id])],
  ['update that ends a session', ['findAndModify'], () => store.update({ id: 'k00002' }, { expiresAt: 1 })],
  ['first page, of sessions of an unknown size', ['find', 'find'], () => store.page({ limit: 10 })],
  ['page of a group', ['find'], () => store.page({ group: 'g', after: 'after:k00000', limit: 10 })],
  ['page of all', ['find'], () => store.page({ limit: 10 })],
  ['count of a group', ['aggregate'], () => store.count('g')],
  ['count of all', ['hello', 'aggregate'], () => store.count()],
  ['update of a session that is gone', ['findAndModify', 'find'], () => store.update(aRecord('gone'), {})],
  ['clear of a group', ['find', 'find', 'update', 'find'], () => store.clear('g')],
  [
    'clear of a group with an exception',
    ['find', 'find', 'find', 'update', 'find'],
    () => store.clear('other:3', live.id),
  ],
  ['clear of an empty group', ['find', 'update'], () => store.clear('g')],
];

describe.each(operations)('%s', (name, commands, operation) => {
  it(`takes ${commands.length === 1 ? 'one round trip' : `${commands.length} round trips`}, and no scan`, async () => {
    const all = await sentBy(operation);
    expect(all.map((one) => one.name)).toEqual(commands);
    for (const { name: command, command: document } of all) {
      if (command === 'hello') continue;
      const plan = await planOf(document);
      expect(plan.stages.filter((stage) => /COLLSCAN|SORT/.test(stage))).toEqual([]);
      const isLongWalk = name === 'count of all';
      expect(plan.docs).toBeLessThanOrEqual(isLongWalk ? 0 : MEMBERS);
      expect(plan.keys).toBeLessThanOrEqual(isLongWalk ? SESSIONS + 2 : 2 * MEMBERS);
    }
  });
});

it.each<[string, () => Promise<unknown>]>([
  ['count', () => store.count('large')],
  ['page', () => store.page({ group: 'large', limit: 100 })],
])('the %s of a group with a tenth of all sessions reads no other session', async (_, operation) => {
  const ids = Array.from({ length: SESSIONS / 9 }, () => randomUUID());
  await Promise.all(ids.map((id) => store.create(aRecord(id, { groups: ['large'], expiresAt: EXPIRES_AT }))));
  const all = await sentBy(operation);
  for (const { command } of all) expect((await planOf(command)).docs).toBeLessThanOrEqual(ids.length);
  await store.clear('large');
});

it('parallel updates of one session share a command, but for the first four', async () => {
  const all = await sentBy(() =>
    Promise.all(Array.from({ length: 40 }, (_, at) => store.update(live, { set: { [`p${at}`]: '1' } }))),
  );
  expect(all.map(({ name }) => name)).toEqual(Array(5).fill('findAndModify'));
});

it('each command has the remaining time of its call as its limit', async () => {
  const client = connection.getClient();
  const begun = performance.now();
  const holdUp = (): void => {
    const end = performance.now() + 50;
    while (performance.now() < end);
  };
  client.once('commandStarted', holdUp);
  const [first, second] = await sentBy(() => store.destroy('gone'));
  expect(first!.command['maxTimeMS']).toBeLessThanOrEqual(20_000);
  expect(second!.command['maxTimeMS']).toBeLessThanOrEqual(20_000 - 50);
  expect(second!.command['maxTimeMS']).toBeGreaterThanOrEqual(20_000 - Math.ceil(performance.now() - begun));
});

it('the size of a command grows with the change, not with the session', async () => {
  const record = aRecord('large', { data: { large: JSON.stringify('x'.repeat(100_000)) } });
  await store.create(record);
  const [small] = await sentBy(() => store.update(live, { set: { b: '2' } }));
  const [large] = await sentBy(() => store.update(record, { set: { b: '2' } }));
  expect(Math.abs(large!.bytes - small!.bytes)).toBeLessThan(10);
});

/** How the server executes a command. */
async function planOf(command: Command): Promise<{ stages: string[]; keys: number; docs: number }> {
  const { lsid, $clusterTime, $db, $readPreference, readConcern, writeConcern, maxTimeMS, ...bare } = command;
  void [lsid, $clusterTime, $db, $readPreference, readConcern, writeConcern, maxTimeMS];
  const explained = await connection.db!.command({ explain: bare, verbosity: 'executionStats' });
  const { queryPlanner, executionStats } = (explained['stages']?.[0]?.$cursor ?? explained) as {
    queryPlanner: { winningPlan: unknown };
    executionStats: { totalKeysExamined: number; totalDocsExamined: number };
  };
  const stages = [...JSON.stringify(queryPlanner.winningPlan).matchAll(/"stage":"(\w+)"/g)];
  return {
    stages: stages.map(([, stage]) => stage!),
    keys: executionStats.totalKeysExamined,
    docs: executionStats.totalDocsExamined,
  };
}
