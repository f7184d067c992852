import { describe, expect, it } from 'vitest';
import type { SessionRecord } from '../../contract/record.js';
import { Budget, bytesOf, bytesOfTombstone } from './budget.js';
import { Sessions } from './sessions.js';

const HOUR = 3_600_000;

function aRecord(id: string, some: Partial<SessionRecord> = {}): SessionRecord {
  const now = Date.now();
  return { id, secretHash: 'p', data: {}, groups: [], createdAt: now, expiresAt: now + HOUR, ...some };
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

function group(): string {
  return `g${random(5)}`;
}

function idsOf({ records }: { records: SessionRecord[] }): string[] {
  return records.map(({ id }) => id);
}

describe('when the sessions would take more than maxBytes', () => {
  const text = 'x'.repeat(1000);
  const big = (id: string, some: Partial<SessionRecord> = {}) => aRecord(id, { data: { a: text }, ...some });

  it('those without a group are dropped, in order of expiry, and then nothing more can be created', () => {
    const budget = new Budget(4 * bytesOf(big('k', { groups: ['g'] })));
    const sessions = new Sessions(Infinity, budget);
    const soon = Date.now() + HOUR;
    sessions.create(big('grouped', { groups: ['g'] }));
    sessions.create(big('second', { expiresAt: soon + 2 }));
    sessions.create(big('first', { expiresAt: soon + 1 }));
    const left: string[][] = [];
    for (const id of ['a', 'b', 'c']) {
      sessions.create(big(id, { groups: ['g'] }));
      left.push(idsOf(sessions.page(undefined, 0, 10)));
    }
    expect(left).toEqual([
      ['grouped', 'second', 'first', 'a'],
      ['grouped', 'second', 'a', 'b'],
      ['grouped', 'a', 'b', 'c'],
    ]);
    expect(() => sessions.create(big('d'))).toThrow('[session:cluster] create: the sessions take maxBytes');
    expect(idsOf(sessions.page(undefined, 0, 10))).toEqual(['grouped', 'a', 'b', 'c']);
    sessions.destroy('a');
    expect(sessions.create(big('e', { data: {} }))).toBe(true);
  });

  it('tombstones are dropped before sessions, the oldest first', () => {
    const budget = new Budget(bytesOf(big('k')) + 3 * bytesOfTombstone(undefined));
    const sessions = new Sessions(Infinity, budget);
    for (const id of ['a', 'b', 'c']) {
      sessions.create(aRecord(id));
      sessions.destroy(id);
    }
    sessions.create(big('k'));
    expect(['a', 'b', 'c'].map((id) => sessions.haveEnded([id]))).toEqual([true, true, true]);
    sessions.update('k', { set: { b: 'x'.repeat(100) } });
    expect(['a', 'b', 'c'].map((id) => sessions.haveEnded([id]))).toEqual([false, true, true]);
    expect(idsOf(sessions.page(undefined, 0, 10))).toEqual(['k']);
  });

  it('none is dropped for a session that would not fit even so', () => {
    const sessions = new Sessions(Infinity, new Budget(10_000));
    for (const id of ['a', 'b']) sessions.create(aRecord(id));
    expect(() => sessions.create(aRecord('c', { data: { a: 'x'.repeat(10_000) } }))).toThrow('maxBytes');
    expect(idsOf(sessions.page(undefined, 0, 10))).toEqual(['a', 'b']);
  });

  it('a session that grows makes room too, is not dropped for itself, and stays as it is if there is no more room', () => {
    const budget = new Budget(2 * bytesOf(big('k')));
    const sessions = new Sessions(Infinity, budget);
    sessions.create(big('first', { expiresAt: Date.now() + 1000 }));
    sessions.create(big('second'));
    expect(sessions.update('first', { set: { b: text } })).toBeDefined();
    expect(idsOf(sessions.page(undefined, 0, 10))).toEqual(['first']);
    expect(() => sessions.update('first', { set: { b: text, c: text } })).toThrow(
      '[session:cluster] update: the sessions take maxBytes',
    );
    expect(Object.keys(sessions.read('first')?.data ?? {})).toEqual(['a', 'b']);
    expect(sessions.update('first', { remove: ['a', 'b'], set: { c: text } })).toBeDefined();
  });

  it('what sessions take is counted exactly through changes, ends and tombstones', () => {
    const budget = new Budget();
    const sessions = new Sessions(Infinity, budget);
    for (let index = 0; index < 500; index++) {
      const id = `k${random(50)}`;
      const name = `n${random(3)}`;
      if (index % 3 === 0) sessions.create(aRecord(`${id}.${index}`, { groups: [group()] }));
      const [some] = sessions.page(undefined, random(400), 1).records;
      if (!some) continue;
      if (index % 5 === 0)
        sessions.update(some.id, { set: { [name]: 'é'.repeat(random(99)) }, join: [group()] });
      if (index % 5 === 1) sessions.update(some.id, { remove: [name], leave: [group()] });
      if (index % 11 === 2) sessions.destroy(some.id);
      if (index % 11 === 3) sessions.regenerate(some.id);
      if (index % 97 === 4) sessions.clear(group(), new Set());
    }
    const { records } = sessions.page(undefined, 0, 1000);
    const { byId } = (sessions as unknown as { tombstones: { byId: Map<string, { groups?: string[] }> } })
      .tombstones;
    expect(records.length).toBeGreaterThan(5);
    const buried = [...byId.values()].reduce((sum, { groups }) => sum + bytesOfTombstone(groups), 0);
    expect(budget.used).toBe(records.reduce((sum, record) => sum + bytesOf(record), buried));
    sessions.close();
    expect(budget.used).toBe(0);
  });
});
