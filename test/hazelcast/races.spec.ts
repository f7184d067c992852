import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { disturbed, onTheWay } from './disturbed.js';
import { twoClients } from './two.clients.js';

const { clients, withStores } = twoClients();

it('fifty parallel updates of different names, from two clients, are all kept', () =>
  withStores(async (stores) => {
    const record = aRecord('k');
    await stores[0].create(record);
    const names = Array.from({ length: 50 }, (_, index) => `name ${index}`);
    await Promise.all(
      names.map((name, index) => stores[index % 2 ? 1 : 0].update(record, { set: { [name]: '1' } })),
    );
    expect(Object.keys((await stores[1].read('k'))!.data)).toEqual(expect.arrayContaining(names));
  }));

it('an update that loses every race until its deadline rejects with that reason', () =>
  withStores(async ([winner], prefix) => {
    await winner.create(aRecord('k'));
    const overtaken = onTheWay(clients[1], ['replaceIfSame'], async (count) => {
      await winner.update(aRecord('k'), { set: { count: String(count) } });
    });
    const loser = new HazelcastStore({ client: overtaken, prefix, timeout: 500 });
    await loser.open();
    await expect(loser.update(aRecord('k'), { set: { b: '2' } })).rejects.toThrow(
      /timed out after 500 ms\. Other processes wrote the same session first, \d+ times/,
    );
    expect((await winner.read('k'))!.data).not.toHaveProperty('b');
    await loser.close();
  }));

describe('a call whose deadline passes before its timer fires', () => {
  /** As happens when a response is handled after others of the same batch that took long. */
  async function handledLate(response: Promise<unknown>): Promise<unknown> {
    const text = await response;
    const begun = performance.now();
    while (performance.now() < begun + 150);
    return text;
  }

  it('does not report that a session is gone', () =>
    withStores(async ([store], prefix) => {
      await store.create(aRecord('k'));
      const client = disturbed(clients[1], ['get'], (call) => handledLate(call()));
      const late = new HazelcastStore({ client, prefix, timeout: 100 });
      await late.open();
      const changing = late.update(aRecord('k'), { set: { b: '2' } });
      await expect(changing).rejects.toThrow('update: timed out after 100 ms');
      await late.close();
    }));

  it('does not report that a session was created', () =>
    withStores(async ([store], prefix) => {
      const expiresAt = Date.now() + 20;
      await store.create(aRecord('k', { expiresAt }));
      await eventually(() => Date.now() > expiresAt);
      const client = disturbed(clients[1], ['replaceIfSame', 'setTtl'], (call, _, method) =>
        method === 'setTtl' ? handledLate(call()) : Promise.resolve(false),
      );
      const late = new HazelcastStore({ client, prefix, timeout: 100 });
      await late.open();
      await expect(late.create(aRecord('k'))).rejects.toThrow('create: ');
      expect(await store.read('k')).toBeUndefined();
      await late.close();
    }));
});
