import { randomUUID } from 'node:crypto';
import { EncryptedStore, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { paged } from '../redis/agreement.js';
import { aKey } from './keys.js';

const [keys, groups] = [aKey(), aKey()];

/** The store without encryption, and those of the deployments of a roll-out. */
let stores: { plain: SessionStore; first: SessionStore; second: SessionStore; last: SessionStore };

beforeEach(async () => {
  const name = randomUUID();
  const inner = (): SessionStore => new ClusterStore({ name });
  stores = {
    plain: inner(),
    first: new EncryptedStore(inner(), { keys, groups, only: [] }),
    second: new EncryptedStore(inner(), { keys, groups, acceptPlain: true }),
    last: new EncryptedStore(inner(), { keys, groups, logger: { error: () => {} } }),
  };
  for (const store of Object.values(stores)) {
    onTestFinished(() => store.close());
    await store.open();
  }
});

describe('during a roll-out', () => {
  beforeEach(async () => {
    await stores.plain.create(aRecord('p', { groups: ['g'] }));
    await stores.first.create(aRecord('f', { groups: ['g'] }));
    await stores.second.create(aRecord('s', { groups: ['g'] }));
    // In both forms.
    await stores.second.update({ id: 'f' }, { join: ['g'] });
    await stores.second.create(aRecord('other', { groups: ['h'] }));
  });

  it.each(['first', 'second'] as const)(
    'the %s deployment lists and counts the sessions of both forms',
    async (way) => {
      expect([...new Set(await paged(stores[way], 'g'))].toSorted()).toEqual(['f', 'p', 's']);
      expect(await stores[way].count('g')).toBe(3);
      const { records } = await stores[way].page({ group: 'g', limit: 100 });
      for (const record of records) expect(record.groups).toEqual(['g']);
    },
  );

  it.each(['first', 'second'] as const)('the %s deployment reads pages of one session', async (way) => {
    const ids: string[] = [];
    let after: string | undefined;
    do {
      const page = await stores[way].page({ group: 'g', after, limit: 1 });
      ids.push(...page.records.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    expect([...new Set(ids)].toSorted()).toEqual(['f', 'p', 's']);
  });

  it.each(['first', 'second'] as const)(
    'the %s deployment clears the sessions of both forms',
    async (way) => {
      expect(await stores[way].clear('g', ['p'])).toBe(2);
      expect(await stores[way].count('g')).toBe(1);
      expect(await stores[way].clear('g')).toBe(1);
      expect(await stores.plain.count()).toBe(1);
    },
  );

  it.each(['first', 'second'] as const)('a session leaves both forms by the %s deployment', async (way) => {
    await stores[way].update({ id: 'f' }, { leave: ['g'] });
    expect((await stores.plain.read('f'))!.groups).toEqual([]);
  });

  it.each(['first', 'second'] as const)('the %s deployment counts both forms for a limit', async (way) => {
    await stores[way].create(aRecord('n'));
    const limit = { group: 'g', max: 3, whenFull: 'reject' } as const;
    const join = await stores[way].joinLimited({ id: 'n' }, limit);
    expect(join.is).toBe('full');
    expect(join.is === 'full' && join.members.map(({ id }) => id).toSorted()).toEqual(['f', 'p', 's']);
  });

  it('a page that continues another list is rejected, instead of one of all sessions', async () => {
    for (const after of ['2', '2:', 'x', ':', '', '-1:']) {
      await expect(stores.second.page({ group: 'g', after, limit: 1 })).rejects.toThrow(TypeError);
    }
  });

  it('a logout everywhere finds the successor of a session that is regenerated meanwhile', async () => {
    await stores.second.regenerate('p');
    const clear = stores.second.clear('g');
    const created = await stores.second
      .create(aRecord('p2', { groups: ['g'], from: ['p'] }))
      .catch(() => false);
    await clear;
    expect(created && (await stores.second.read('p2'))).toBeFalsy();
  });
});

describe('after a roll-out', () => {
  it('only sealed groups count', async () => {
    await stores.plain.create(aRecord('p', { groups: ['g'] }));
    await stores.last.create(aRecord('l', { groups: ['g'] }));
    expect(await paged(stores.last, 'g')).toEqual(['l']);
    expect((await stores.last.read('p'))!.groups).toEqual([]);
  });

  it('a limit ends sessions by the sealed name, and shows them as they were written', async () => {
    for (const id of ['a', 'b']) {
      await stores.last.create(aRecord(id, { data: { user: '"ada"' } }));
      const join = await stores.last.joinLimited({ id }, { group: 'g', max: 1, whenFull: 'end-oldest' });
      expect(join.is).toBe('joined');
      if (id === 'a' || join.is !== 'joined') continue;
      expect(join.ended.map((record) => [record.id, record.groups, record.data['user']])).toEqual([
        ['a', ['g'], '"ada"'],
      ]);
    }
  });
});
