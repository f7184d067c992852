import { NEVER } from 'nestjs-session-stores/store';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { disturbed, onTheWay } from './disturbed.js';
import { MINUTE, MONTH, twoClients } from './two.clients.js';

const { clients, withStores, found, ttlOf } = twoClients();

describe('the lifetime of an entry', () => {
  it('of two seconds ends with its session, which stays live until then', () =>
    withStores(async ([store], prefix) => {
      const expiresAt = Date.now() + 2000;
      const ids = Array.from({ length: 20 }, (_, index) => `k${index}`);
      await Promise.all(ids.map((id) => store.create(aRecord(id, { expiresAt }))));
      await Promise.all(ids.map((id) => store.update(aRecord(id), { set: { b: '2' } })));
      const live = async () => (await Promise.all(ids.map((id) => store.read(id)))).filter(Boolean).length;
      const early: { live: number; left: number }[] = [];
      while (Date.now() < expiresAt) {
        const still = await live();
        const left = expiresAt - Date.now();
        if (left > 0 && still < ids.length) early.push({ live: still, left });
      }
      expect(early).toEqual([]);
      expect(await live()).toBe(0);
      await eventually(async () => (await found('Sessions', `${prefix}/k0`)) === null);
    }));

  it('is a little more than the whole lifetime after any write, and forever for a session that never expires', () =>
    withStores(async ([store], prefix) => {
      const own = `${prefix}/k`;
      const expiresAt = Date.now() + 30 * MINUTE;
      await store.create(aRecord('k', { expiresAt }));
      const record = (await store.read('k'))!;
      const writes: (() => Promise<unknown>)[] = [
        () => store.update(record, { set: { b: '2' } }),
        () => store.rotate(record, record.secretHash, 'another', 0),
        // It must not get shorter: the loser of a race would shorten the winner's too.
        () => store.update(record, { expiresAt: Date.now() + MINUTE }),
      ];
      for (const write of writes) {
        await write();
        expect(await ttlOf('Sessions', own)).toBeGreaterThan(30 * MINUTE);
        expect(await ttlOf('Sessions', own)).toBeLessThan(31 * MINUTE);
      }
      await store.update(record, { expiresAt: NEVER });
      expect(await ttlOf('Sessions', own)).toBeGreaterThan(100 * 12 * MONTH);
      await store.update(record, { expiresAt: Date.now() + MINUTE });
      expect(await ttlOf('Sessions', own)).toBeLessThan(31 * MINUTE);
    }));

  it('of the winner of a race is not shortened by a loser that tries again', () =>
    withStores(async ([winner, loser], prefix) => {
      await winner.create(aRecord('k', { expiresAt: Date.now() + MINUTE }));
      const stale = (await loser.read('k'))!;
      await winner.update(stale, { expiresAt: Date.now() + MONTH });
      expect(await loser.update(stale, { set: { b: '2' } })).toBeDefined();
      expect(await ttlOf('Sessions', `${prefix}/k`)).toBeGreaterThan(MONTH);
    }));

  it('of the winner of a race is not shortened by a loser that has nothing left to write', () =>
    withStores(async ([winner], prefix) => {
      await winner.create(aRecord('k', { expiresAt: Date.now() + MINUTE }));
      const change = { set: { b: '2' }, expiresAt: Date.now() + MONTH };
      let overtaking: Promise<unknown> | undefined;
      const overtaken = onTheWay(clients[1], ['replaceIfSame', 'setTtl'], async () => {
        await (overtaking ??= winner.update(aRecord('k'), change));
      });
      const loser = new HazelcastStore({ client: overtaken, prefix });
      await loser.open();
      await loser.update(aRecord('k'), { set: { b: '2' } });
      expect(await ttlOf('Sessions', `${prefix}/k`)).toBeGreaterThan(MONTH);
      await loser.close();
    }));

  it('of the winner of a race is not shortened by a loser that gives up', () =>
    withStores(async ([winner], prefix) => {
      await winner.create(aRecord('k', { expiresAt: Date.now() + MINUTE }));
      // The loser's calls arrive after it has given up, and after the winner's.
      let overtaking: Promise<unknown> | undefined;
      const overtake = async (): Promise<void> => {
        await expect(losing).rejects.toThrow('timed out after 100 ms');
        await winner.update(aRecord('k'), { expiresAt: Date.now() + MONTH });
      };
      const overtaken = onTheWay(clients[1], ['replaceIfSame', 'setTtl'], async () => {
        await (overtaking ??= overtake());
      });
      const loser = new HazelcastStore({ client: overtaken, prefix, timeout: 100 });
      await loser.open();
      const losing = loser.update(aRecord('k'), { set: { b: '2' } });
      await expect(losing).rejects.toThrow();
      await overtaking;
      await eventually(async () => (await ttlOf('Sessions', `${prefix}/k`)) > MONTH);
      await loser.close();
    }));
});

it('the lifetime of the winner of a race is not shortened by a loser that fails', () =>
  withStores(async ([winner], prefix) => {
    await winner.create(aRecord('k', { expiresAt: Date.now() + MINUTE }));
    let isBehind: Promise<unknown> | undefined;
    let hasFailed = false;
    const client = disturbed(clients[1], ['replaceIfSame', 'setTtl'], async (call, _, method) => {
      isBehind ??= winner.update(aRecord('k'), { expiresAt: Date.now() + MONTH });
      await isBehind;
      const done = await call();
      if (method === 'setTtl' || hasFailed) return done;
      hasFailed = true;
      throw new Error('broken');
    });
    const loser = new HazelcastStore({ client, prefix });
    await loser.open();
    await expect(loser.update(aRecord('k'), { set: { b: '2' } })).rejects.toMatchObject({
      cause: { message: 'broken' },
    });
    await eventually(async () => (await ttlOf('Sessions', `${prefix}/k`)) > MONTH);
    await loser.close();
  }));
