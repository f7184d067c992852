import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { Random } from '../../../test/http/random.js';
import { applyChange, applyRotation, type SessionChange, type SessionRecord } from '../../contract/record.js';
import { documentOf, recordOf, type SessionDocument } from './document.js';
import { merged } from './merged.js';

type SessionWrite = Parameters<typeof merged>[0][number];

const SEQUENCES = process.env['LONG'] ? 2_000 : 100;
const NAMES = ['a', 'b', '', 'a.b', '$set', '__proto__'];
const TEXTS = ['1', '2', '-0', '9', '9007199254740993', '"$a"', '1\n'];
const GROUPS = ['g', 'h', '$g'];
const HASHES = ['one', 'two', 'three'];
const HOUR = 3_600_000;
/** Few, so that touches often find the expiry that they start from. */
const EXPIRIES = [1, 2, 3].map((hours) => Date.now() + hours * HOUR);

let connection: Connection;
const collection = `merged-${randomUUID()}`;
beforeAll(async () => {
  connection = await mongoose.createConnection(inject('mongo').url).asPromise();
});
afterAll(async () => {
  await connection.db!.dropCollection(collection);
  await connection.destroy();
});

function aSequence(random: Random): SessionWrite[] {
  const some = <T>(things: readonly T[]): T[] => things.filter(() => random.chance(0.4));
  return Array.from({ length: random.between(2, 12) }, (): SessionWrite => {
    if (random.chance(0.2)) {
      const [presented, secretHash] = [random.pick(HASHES), random.pick(HASHES)];
      return { rotation: { presented, secretHash, grace: random.pick([0, 1, HOUR]) } };
    }
    if (random.chance(0.3)) {
      const name = random.pick(NAMES);
      const by = random.pick([1, -3, Number.MAX_SAFE_INTEGER]);
      return { change: random.chance(0.5) ? { add: { name, by } } : { take: name } };
    }
    const set = Object.fromEntries(some(NAMES).map((name) => [name, random.pick(TEXTS)]));
    const join = some(GROUPS);
    const change: SessionChange = {
      set,
      remove: some(NAMES).filter((name) => !Object.hasOwn(set, name)),
      join,
      leave: some(GROUPS).filter((group) => !join.includes(group)),
    };
    if (random.chance(0.2)) change.expiresAt = random.pick(EXPIRIES);
    if (random.chance(0.5)) change.touch = { from: random.pick(EXPIRIES), to: random.pick(EXPIRIES) };
    if (random.chance(0.3)) {
      change.retirePrevious = { secretHash: random.pick(HASHES), validUntil: random.between(1, 9) };
    }
    return { change };
  });
}

function applied(record: SessionRecord, write: SessionWrite, now: number): SessionRecord {
  if ('change' in write) return applyChange(record, write.change);
  const { presented, secretHash, grace } = write.rotation;
  return applyRotation(record, presented, secretHash, grace, now);
}

it('a merged command does what its writes do one after another', async () => {
  for (let seed = 0; seed < SEQUENCES; seed++) {
    const random = new Random(seed);
    const replacedAt = Date.now() - 1_000;
    const previous = {
      hash: 'three',
      replacedAt,
      grace: random.pick([1, 600, HOUR]),
      ...(random.chance(0.5) && { since: replacedAt - random.pick([0, 10_000]) }),
    };
    const record: SessionRecord = {
      id: `k${seed}`,
      secretHash: 'one',
      ...(random.chance(0.5) && { previous }),
      data: { a: '0', '': '0' },
      groups: ['g'],
      createdAt: Date.now(),
      expiresAt: random.pick(EXPIRIES),
    };
    const writes = aSequence(random);
    const sessions = connection.db!.collection<SessionDocument>(collection);
    await sessions.insertOne(documentOf(record));
    const { value } = await connection.db!.command({
      findAndModify: collection,
      query: { _id: record.id },
      update: merged(writes),
      new: false,
      fields: { now: '$$NOW' },
    });
    const now = Number((value as { now: Date }).now);
    const expected = writes.reduce((before, write) => applied(before, write, now), record);
    const found = recordOf((await sessions.findOne({ _id: record.id }))!);
    const sorted = ({ groups, data, ...rest }: SessionRecord): unknown => ({
      ...rest,
      groups: groups.toSorted(),
      data: Object.entries(data).toSorted(),
    });
    expect(sorted(found), `seed ${seed}`).toEqual(sorted(expected));
  }
});
