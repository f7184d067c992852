import { expect, it } from 'vitest';
import { aRecord } from '../record.js';
import { MapStore } from './map.store.js';

it('a create that could not find out whether a session has ended may be repeated', async () => {
  let isDown = true;
  class Store extends MapStore {
    protected override doHaveEnded(ids: string[]): boolean {
      if (isDown) throw new Error('down');
      return super.doHaveEnded(ids);
    }
  }
  const store = new Store();
  const record = { ...aRecord('new'), from: ['old'] };
  await expect(store.create(record)).rejects.toThrow('[session:map] create: the backend failed');
  isDown = false;
  expect(await store.create(record)).toBe(true);
  expect(await store.read('new')).toMatchObject({ id: 'new', from: ['old'] });
});
