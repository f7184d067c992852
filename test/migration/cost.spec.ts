import { MemoryStore } from 'express-session';
import {
  MigratingStore,
  NO_SECRET_HASH,
  type SessionRecord,
  type SessionStore,
} from 'nestjs-session-stores/store';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { describe, expect, it } from 'vitest';
import { pageNamed } from '../docs/pages.js';
import { aRecord } from '../record.js';
import { MapStore } from '../stores/map.store.js';
import { RecordingStore } from '../stores/recording.store.js';

type Work = (store: SessionStore, record: SessionRecord) => Promise<unknown>;

const change = { set: { b: '2' } };
const update: Work = async (store) => store.update((await store.read('s'))!, change);

/** The rows of the table of docs/guide/migration.md, and whether the session is in the new store before. */
const ROWS: [row: string, isMoved: boolean, work: Work][] = [
  ['read a session that is in the new store', true, (store) => store.read('s')],
  ['read a session that is in the old store', false, (store) => store.read('s')],
  ['read and change one that is in the new store', true, update],
  ['read and change one that is in the old store', false, update],
  ['create a session', true, (store) => store.create(aRecord('t'))],
  ['destroy one that is in the new store', true, (store) => store.destroy('s')],
  ['destroy one that is in the old store', false, (store) => store.destroy('s')],
];

/** The calls of some work to the new and the old store: `2 + 1`. */
async function costOf(move: boolean, isMoved: boolean, isForeign: boolean, work: Work): Promise<string> {
  const target = new RecordingStore(new MapStore());
  const memory = fromExpressStore(new MemoryStore());
  const source = new RecordingStore(isForeign ? memory : new MapStore());
  const store = new MigratingStore(target, { store: source, move });
  const record = aRecord('s', isForeign ? { secretHash: NO_SECRET_HASH } : {});
  await (isMoved ? target : source).create(record);
  target.take();
  source.take();
  await work(store, record);
  return `${target.take().length} + ${source.take().length}`;
}

describe('the calls to the new and the old store', () => {
  it.each(ROWS)('are as documented: %s', async (row, isMoved, work) => {
    const cost = (move: boolean, isForeign: boolean): Promise<string> =>
      costOf(move, isMoved, isForeign, work);
    const moving = await cost(true, false);
    expect(await cost(true, true)).toBe(moving);
    const cells = [row, await cost(false, false), await cost(false, true), moving];
    expect(pageNamed('docs/guide/migration.md').text).toContain(`| ${cells.join(' | ')} |`);
  });
});
