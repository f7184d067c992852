import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import {
  GRACE,
  aSecretHash,
  aRecord,
  allPages,
  bothRead,
  each,
  equals,
  inMinutes,
  isRecord,
  idsOf,
  idsOn,
  must,
  sameIds,
  show,
  upTo,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

const FIELDS = words('id secretHash previous data groups createdAt expiresAt _id cookie');

const BLANKS = ['', ' ', '\0', '\n', '\r\n', '\t', '\u2028', '\ufeff'];

/** Names that a store may confuse with each other, or with something of its own. */
export const NAMES = [
  ...words(
    String.raw`. .. a a.b a.b.c b .a a. $ $set $$NOW $a.b a$ 0 1 -1 01 a:b * ? [a] {a} % %2E \ " ' / ~ A`,
  ),
  ...words('__proto__ constructor prototype toString hasOwnProperty toJSON then length é e\u0301 😀'),
  ...BLANKS,
  // Keys of JSON that some parsers confuse with each other.
  'a\\',
  'a"',
  'a\t',
  'a\0b',
  ...FIELDS,
];

/** Serialized values that a store may change. */
export const TEXTS = [
  ...words(
    'null undefined true 0 007 1e400 -0 9007199254740993 "" {} [] {"a":1} "\\u0000" \\ \' 😀 e\u0301 é \uffff',
  ),
  ...words('$ $groups $data.a $$NOW $$REMOVE $$ROOT {"$ne":null} {"$literal":1} {"__proto__":1}'),
  ...BLANKS,
  '[1, 2 ]',
  'a\0b',
  'x'.repeat(5000),
];

const GROUPS = [
  ...words(String.raw`: * ? [ ] [a-z] { } {} {a} a A a.b . $ $in $$ROOT \ / % " , any [any] 0 null`),
  ...words('user:* user:42 user:? __proto__ constructor é e\u0301 😀'),
  ...BLANKS,
];

const KEYS = [
  ...words(String.raw`: * ? [k] {k} { } }{ k K k.l $ne $ \ / % " , 0 1 k:*?[]{}`),
  ...words('__proto__ constructor toString hasOwnProperty é e\u0301 😀'),
  ...BLANKS,
  'k'.repeat(200),
];

function words(text: string): string[] {
  return text.split(' ');
}

function megabyte(start: string): string {
  return JSON.stringify(start.padEnd(1024 * 1024 - 2, 'abcdefgh'));
}

/** Fails unless reads and pages of both stores show `record`. */
async function comesBack(
  stores: readonly [SessionStore, SessionStore],
  record: SessionRecord,
  promise: string,
) {
  await bothRead(stores, record, promise);
  const paged = (await allPages(stores, undefined, 1000)).find(({ id }) => id === record.id);
  isRecord(paged, record, `${promise}, on a page`);
}

/** Data with these names. */
export const named = (names: string[], text: (index: number) => string) =>
  Object.fromEntries(names.map((name, index) => [name, text(index)]));

export const dataLaws: SessionStoreLaw[] = [
  {
    name: '8 any name is read back unchanged, after a create and after an update',
    async holds(stores) {
      const created = aRecord({ data: named(NAMES, String) });
      const updated = aRecord();
      await Promise.all([stores[0].create(created), stores[0].create(updated)]);
      await comesBack(stores, created, 'names must be read back unchanged after a create');
      await stores[1].update(updated, { set: named(NAMES, String) });
      await comesBack(
        stores,
        { ...updated, data: created.data },
        'names must be read back unchanged after an update',
      );
      await stores[1].update(created, { set: named(NAMES, (index) => `"${index}"`) });
      const data = named(NAMES, (index) => `"${index}"`);
      await comesBack(stores, { ...created, data }, 'names that are set again must be read back unchanged');
      await each(stores, (store) => store.rotate(created, created.secretHash, aSecretHash(), 0));
      const rotated = await stores[0].read(created.id);
      equals(
        Object.entries(rotated?.data ?? {}).length,
        NAMES.length,
        'any name must stay through a rotation; their number',
      );
    },
  },
  {
    name: '8 setting or removing any name leaves similar names unchanged',
    async holds(stores) {
      const [here, there] = stores;
      await each(NAMES, async (name) => {
        const others = NAMES.filter((other) => other !== name);
        const without = aRecord({ data: named(others, String) });
        await here.create(without);
        await there.update(without, { set: { [name]: '"set"' } });
        const data = { ...without.data, [name]: '"set"' };
        isRecord(
          await here.read(without.id),
          { ...without, data },
          `the name ${show(name)} must be set alone`,
        );
        await there.update(without, { remove: [name] });
        isRecord(await here.read(without.id), without, `the name ${show(name)} must be removed alone`);
        await there.update(without, { remove: [name] });
        isRecord(
          await here.read(without.id),
          without,
          `the name ${show(name)}, which is not there, must be removed without a trace`,
        );
      });
    },
  },
  {
    name: "8 names like the record's own fields do not disturb the record",
    async holds(stores) {
      const [here, there] = stores;
      const previous = { hash: aSecretHash(), replacedAt: Date.now() - 1, grace: GRACE };
      const rule = "names like the record's own fields must not disturb the record";
      for (const text of ['"other"', '0', 'null', '8640000000000000', '["strangers"]', 'strangers']) {
        const data = named(FIELDS, () => text);
        const record = aRecord({ previous, data, groups: ['g'], createdAt: Date.now() - 9 });
        await here.create(record);
        await comesBack(stores, record, `${rule} when it is created`);
        const expiresAt = inMinutes(90);
        const result = await there.update(record, { set: data, join: ['h'], expiresAt });
        equals(
          [result?.expiresAt, result?.secretHash],
          [expiresAt, record.secretHash],
          `${rule}; what an update resolves to`,
        );
        await comesBack(stores, { ...record, groups: ['g', 'h'], expiresAt }, `${rule} when it is updated`);
        equals(
          await here.count('strangers'),
          0,
          `${rule}: they must not join a group; the count of one group`,
        );
        await there.update(record, { remove: FIELDS });
        const bare = { ...record, data: {}, groups: ['g', 'h'], expiresAt };
        await comesBack(stores, bare, `${rule} when they are removed`);
        equals(
          await there.clear('g'),
          1,
          `${rule}: a clear of its group must destroy it; how many a clear destroyed`,
        );
      }
    },
  },
  {
    name: '8 any serialized value is read back unchanged, after a create and after an update',
    async holds(stores) {
      const names = TEXTS.map((_, index) => `text${index}`);
      const data = named(names, (index) => TEXTS[index] ?? '');
      const created = aRecord({ data });
      const updated = aRecord();
      await Promise.all([stores[0].create(created), stores[0].create(updated)]);
      await comesBack(stores, created, 'serialized values must be read back unchanged after a create');
      await stores[1].update(updated, { set: data, join: ['g'], leave: ['h'] });
      await comesBack(
        stores,
        { ...updated, data, groups: ['g'] },
        'serialized values must be read back unchanged after an update',
      );
    },
  },
  {
    name: '8 a serialized value of 1 MiB is read back unchanged, after a create and after an update',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ data: { big: megabyte('created'), small: '1' } });
      const updated = megabyte('updated');
      await here.create(record);
      isRecord(
        await there.read(record.id),
        record,
        'a serialized value of 1 MiB must be read back unchanged after a create',
      );
      await there.update(record, { set: { big: updated } });
      const expected = { ...record, data: { big: updated, small: '1' } };
      isRecord(
        await here.read(record.id),
        expected,
        'a serialized value of 1 MiB must be read back unchanged after an update',
      );
    },
  },
  {
    name: '8 a thousand names are read back unchanged',
    async holds(stores) {
      const names = upTo(1000).map((index) => `name ${index}`);
      const record = aRecord({ data: named(names, String) });
      await stores[0].create(record);
      await comesBack(stores, record, 'a thousand names must be read back after a create');
      const data = named(names, (index) => String(-index));
      await stores[1].update(record, { set: data });
      await comesBack(stores, { ...record, data }, 'a thousand names must be read back after an update');
      await stores[0].update(record, { remove: names });
      await comesBack(stores, { ...record, data: {} }, 'a thousand names must be removed by one change');
    },
  },
  {
    name: '8 any group is read back unchanged and holds only its own sessions',
    async holds(stores) {
      const [here, there] = stores;
      const inAll = aRecord({ groups: GROUPS });
      await here.create(inAll);
      await comesBack(stores, inAll, 'groups must be read back unchanged after a create');
      await each(GROUPS, async (group) => {
        const own = aRecord();
        await here.create(own);
        await there.update(own, { join: [group] });
        isRecord(
          await here.read(own.id),
          { ...own, groups: [group] },
          `the group ${show(group)} must be read back after an update`,
        );
        sameIds(
          await idsOn(stores, group),
          [inAll.id, own.id],
          `the group ${show(group)} must show its own sessions alone`,
        );
        equals(await here.count(group), 2, `the group ${show(group)} must count its own sessions alone`);
        equals(
          await there.clear(group, inAll.id),
          1,
          `the group ${show(group)} must destroy its own sessions alone; how many`,
        );
      });
      equals(await idsOn(stores), [inAll.id], 'clears of all groups that except a session must keep it');
      await there.update(inAll, { leave: GROUPS.slice(1) });
      await comesBack(
        stores,
        { ...inAll, groups: GROUPS.slice(0, 1) },
        'any group must be left by one change',
      );
    },
  },
  {
    name: '8 any two different well-formed ids are different sessions',
    async holds(stores) {
      const [here, there] = stores;
      const records = KEYS.map((id, index) => aRecord({ id, data: { index: String(index) }, groups: ['g'] }));
      equals(
        await here.read('constructor'),
        undefined,
        'an id that was never created must read as undefined, whatever its name',
      );
      await each(records, (record) => here.create(record));
      for (const record of records) {
        await there.update(record, { set: { updated: record.id } });
        const data = { ...record.data, updated: record.id };
        isRecord(
          await here.read(record.id),
          { ...record, data },
          `the id ${show(record.id)} must be a session of its own`,
        );
      }
      for (const group of ['g', undefined]) {
        const paged = idsOf(await allPages(stores, group, 3));
        sameIds(paged, KEYS, 'any id must be on a page unchanged, and a page must continue from any id');
      }
      for (const [index, id] of KEYS.entries()) {
        equals(await there.destroy(id), true, `the id ${show(id)} must be destroyed`);
        const left = await here.count('g');
        must(
          left === KEYS.length - index - 1,
          `destroy of the id ${show(id)} must destroy one session: ${left} are left`,
        );
      }
    },
  },
];
