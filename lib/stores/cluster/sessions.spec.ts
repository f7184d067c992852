import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NEVER, type SessionRecord } from '../../contract/record.js';
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

/** The inner structures. */
function mapOf<Heap>(sessions: Sessions) {
  const { map } = sessions as unknown as {
    map: {
      byId: Map<string, unknown>;
      all: { size: number };
      groups: Map<string, { size: number }>;
      ungrouped: Heap;
      grouped: Heap;
    };
  };
  return map;
}

/** How many items each of the inner structures holds. */
function held(sessions: Sessions) {
  const { byId, all, groups, ungrouped, grouped } = mapOf<{ sessions: unknown[] }>(sessions);
  return {
    ids: byId.size,
    all: all.size,
    groups: groups.size,
    expiring: ungrouped.sessions.length + grouped.sessions.length,
  };
}

/** The sessions that are at a wrong place in their heap. */
function misplaced(sessions: Sessions) {
  type Heap = { sessions: { record: SessionRecord; slot: number }[] };
  const { ungrouped, grouped } = mapOf<Heap>(sessions);
  const isWrong = (heap: Heap, isGrouped: boolean) =>
    heap.sessions.filter(({ record, slot }, index) => {
      const above = heap.sessions[(index - 1) >> 1]?.record ?? record;
      return slot !== index || above.expiresAt > record.expiresAt || record.groups.length > 0 !== isGrouped;
    });
  return [...isWrong(ungrouped, false), ...isWrong(grouped, true)];
}

const nothing = { ids: 0, all: 0, groups: 0, expiring: 0 };

function idsOf({ records }: { records: SessionRecord[] }): string[] {
  return records.map(({ id }) => id);
}

describe('sessions in memory', () => {
  it('are copied, and cannot be altered by their writer or reader', () => {
    const sessions = new Sessions();
    const previous = { hash: 'old', replacedAt: 1, grace: 2 };
    const record = aRecord('k', { data: { a: '1' }, groups: ['g'], previous });
    sessions.create(record);
    record.data['a'] = '2';
    record.groups.push('h');
    previous.replacedAt = 9;

    for (const change of [
      {},
      { set: { b: '1' }, join: ['i'] },
      { retirePrevious: { secretHash: 'p', validUntil: 5 } },
    ]) {
      sessions.update('k', change);
      const read = sessions.read('k') as SessionRecord;
      expect(() => (read.secretHash = 'x')).toThrow(TypeError);
      expect(() => (read.data['a'] = 'x')).toThrow(TypeError);
      expect(() => read.groups.push('x')).toThrow(TypeError);
      expect(() => ((read.previous as { replacedAt: number }).replacedAt = 7)).toThrow(TypeError);
    }
    expect(sessions.read('k')).toMatchObject({
      data: { a: '1', b: '1' },
      groups: ['g', 'i'],
      previous: { replacedAt: 1 },
    });
    expect(sessions.read('k')).toBe(sessions.read('k'));
  });

  it('are not created by calls for absent ids', () => {
    const sessions = new Sessions();
    sessions.read('k');
    sessions.update('k', { set: { a: '1' }, join: ['g'] });
    sessions.rotate('k', 'p', 'q', 10);
    sessions.destroy('k');
    sessions.count('g');
    sessions.page('g', 0, 10);
    sessions.clear('g', new Set());
    sessions.create(aRecord('past', { expiresAt: 1, groups: ['g'] }));
    expect(held(sessions)).toEqual(nothing);
  });

  it('leave nothing behind, however they end', () => {
    const sessions = new Sessions();
    const groups = ['g', 'h'];
    const ends: Record<string, (id: string) => unknown> = {
      destroyed: (id) => sessions.destroy(id),
      changed: (id) => sessions.update(id, { expiresAt: 1, join: ['i'] }),
      cleared: () => sessions.clear('h', new Set()),
      'cleared with all': () => sessions.clear(undefined, new Set()),
    };
    for (const [id, end] of Object.entries(ends)) {
      sessions.create(aRecord(id, { groups }));
      sessions.update(id, { join: ['j'], leave: ['g'] });
      end(id);
      expect(held(sessions), id).toEqual(nothing);
    }
  });

  it('keep all structures consistent through any changes', () => {
    const sessions = new Sessions(60);
    for (let step = 0; step < 20_000; step++) {
      const id = `k${random(90)}`;
      const expiresAt = Date.now() + HOUR + random(1000);
      const change = random(7);
      if (change < 2)
        sessions.create(aRecord(id, { groups: random(2) ? [group(), group()] : [], expiresAt }));
      else if (change === 2) sessions.update(id, { expiresAt: random(4) ? expiresAt : 1 });
      else if (change === 3) sessions.update(id, { join: [group()] });
      else if (change === 4) sessions.update(id, { leave: [group()], expiresAt });
      else if (change === 5) sessions.destroy(id);
      else if (random(20) === 0) sessions.clear(group(), new Set([`k${random(90)}`]));

      if (step % 100 > 0) continue;
      const { records } = sessions.page(undefined, 0, 1000);
      const groups = new Set(records.flatMap((record) => record.groups));
      expect(held(sessions)).toEqual({
        ids: records.length,
        all: records.length,
        groups: groups.size,
        expiring: records.length,
      });
      expect(misplaced(sessions)).toEqual([]);
      for (const name of groups) {
        const members = records.filter((record) => record.groups.includes(name));
        expect(idsOf(sessions.page(name, 0, 1000)).toSorted()).toEqual(
          idsOf({ records: members }).toSorted(),
        );
        expect(sessions.count(name)).toBe(members.length);
      }
    }
  });
});

describe('when there are more than maxSessions', () => {
  it('those without a group are dropped first, in order of expiry, then those in groups', () => {
    const sessions = new Sessions(4);
    const soon = Date.now() + HOUR;
    sessions.create(aRecord('grouped, first', { expiresAt: soon, groups: ['g'] }));
    sessions.create(aRecord('grouped, second', { expiresAt: soon + 1, groups: ['g'] }));
    sessions.create(aRecord('second', { expiresAt: soon + 3 }));
    sessions.create(aRecord('first', { expiresAt: soon + 2 }));

    const gone: string[] = [];
    for (let index = 0; index < 4; index++) {
      const before = idsOf(sessions.page(undefined, 0, 10));
      sessions.create(aRecord(`new ${index}`, { expiresAt: NEVER, groups: ['new'] }));
      const after = new Set(idsOf(sessions.page(undefined, 0, 10)));
      gone.push(...before.filter((id) => !after.has(id)));
      expect(sessions.count()).toBe(4);
    }
    expect(gone).toEqual(['first', 'second', 'grouped, first', 'grouped, second']);
  });

  it('a session that has joined a group is dropped later, and one that has left its group earlier', () => {
    const sessions = new Sessions(2);
    sessions.create(aRecord('joins'));
    sessions.create(aRecord('leaves', { groups: ['g'], expiresAt: Date.now() + 2 * HOUR }));
    sessions.update('joins', { join: ['g'] });
    sessions.update('leaves', { leave: ['g'] });
    sessions.create(aRecord('new'));
    expect(idsOf(sessions.page(undefined, 0, 10))).toEqual(['joins', 'new']);
  });
});

describe('expired sessions', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('are dropped by one timer, without a call', () => {
    const sessions = new Sessions();
    for (let index = 0; index < 50; index++) {
      sessions.create(aRecord(`k${index}`, { expiresAt: Date.now() + 1000 + index * 10, groups: ['g'] }));
    }
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(1245);
    expect(held(sessions)).toEqual({ ids: 25, all: 25, groups: 1, expiring: 25 });
    vi.advanceTimersByTime(1000);
    expect(held(sessions)).toEqual(nothing);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are gone at the instant they expire, before the timer fires', () => {
    const sessions = new Sessions();
    const expiresAt = Date.now() + 1000;
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f'])
      sessions.create(aRecord(id, { groups: ['g'], expiresAt }));
    vi.setSystemTime(expiresAt - 1);
    expect(sessions.read('a')).toBeDefined();
    vi.setSystemTime(expiresAt);
    expect(sessions.read('a')).toBeUndefined();
    expect(sessions.update('b', { expiresAt: NEVER })).toBeUndefined();
    expect(sessions.rotate('c', 'p', 'q', 1)).toBeUndefined();
    expect(sessions.destroy('d')).toBe(false);
    expect(sessions.create({ ...aRecord('e'), secretHash: 'other' })).toBe(true);
    expect(idsOf(sessions.page('g', 0, 10))).toEqual([]);
    expect(sessions.count()).toBe(1);
  });

  it('are dropped at their new expiry after it was moved', () => {
    const sessions = new Sessions();
    sessions.create(aRecord('earlier'));
    sessions.create(aRecord('later', { expiresAt: Date.now() + 500 }));
    sessions.update('earlier', { expiresAt: Date.now() + 1000 });
    sessions.update('later', { expiresAt: Date.now() + 2000 });
    vi.advanceTimersByTime(1000);
    expect(held(sessions).ids).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(held(sessions)).toEqual(nothing);
  });

  it('are dropped over several turns if there are many', () => {
    const sessions = new Sessions();
    const expiresAt = Date.now() + 1000;
    for (let index = 0; index < 2500; index++) sessions.create(aRecord(`k${index}`, { expiresAt }));
    vi.advanceTimersByTime(1000);
    expect(held(sessions).ids).toBe(1500);
    expect(sessions.count()).toBe(0);
    vi.advanceTimersByTime(10);
    expect(held(sessions)).toEqual(nothing);
  });

  it('do not include those that live longer than the longest timer, or forever', () => {
    const sessions = new Sessions();
    sessions.create(aRecord('eternal', { expiresAt: NEVER }));
    expect(vi.getTimerCount()).toBe(0);
    const fired = vi.fn(globalThis.setTimeout);
    vi.stubGlobal('setTimeout', fired);
    sessions.create(aRecord('long', { expiresAt: Date.now() + 2 ** 31 }));
    expect(fired.mock.calls.map(([, delay]) => delay)).toEqual([2 ** 31 - 1]);
    vi.unstubAllGlobals();
    vi.advanceTimersByTime(2 ** 31 - 1);
    expect(held(sessions).ids).toBe(2);
    vi.advanceTimersByTime(1);
    expect(held(sessions).ids).toBe(1);
  });
});

describe('pages and clears', () => {
  it('end a page early if the data is large, and go on from there', () => {
    const sessions = new Sessions();
    const text = 'x'.repeat(1024 * 1024);
    for (let index = 0; index < 10; index++) sessions.create(aRecord(`k${index}`, { data: { text } }));
    const ids: string[] = [];
    for (let next: number | undefined = 0; next !== undefined;) {
      const page = sessions.page(undefined, next, 1000);
      expect(page.records.length).toBeLessThanOrEqual(4);
      ids.push(...idsOf(page));
      next = page.next;
    }
    expect(ids.length).toBe(10);
  });

  it('clear in bounded steps, none of which reaches sessions that join after the first', () => {
    const sessions = new Sessions();
    for (let index = 0; index < 600; index++) sessions.create(aRecord(`k${index}`, { groups: ['g'] }));
    let step = sessions.clear('g', new Set(['k7']));
    expect(step.ended).toBe(249);
    sessions.create(aRecord('late', { groups: ['g'] }));
    const ended = [step.ended];
    while (step.next) {
      step = sessions.clear('g', new Set(['k7']), step.next);
      ended.push(step.ended);
    }
    // The last step looks for successors among those that have joined.
    expect(ended).toEqual([249, 250, 100, 0]);
    expect(idsOf(sessions.page('g', 0, 10))).toEqual(['k7', 'late']);
  });
});
