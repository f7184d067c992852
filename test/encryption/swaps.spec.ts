import { randomUUID } from 'node:crypto';
import { EncryptedStore, type SessionRecord, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { aKey } from './keys.js';

const NAMES = ['a', 'b', 'cookie', '__proto__', ''];
const CLIENT = { first: '{"ip":"192.0.2.1"}', last: '{"ip":"192.0.2.2"}' };

let inner: SessionStore;
let store: SessionStore;
let logged: string[];
let stored: [SessionRecord, SessionRecord];

beforeEach(async () => {
  const name = randomUUID();
  logged = [];
  inner = new ClusterStore({ name });
  const options = { keys: aKey(), logger: { error: (line: string) => logged.push(line) } };
  store = new EncryptedStore(new ClusterStore({ name }), options);
  for (const one of [inner, store]) {
    onTestFinished(() => one.close());
    await one.open();
  }
  const texts = (id: string): Record<string, string> => {
    const data = Object.create(null) as Record<string, string>;
    for (const one of NAMES) data[one] = JSON.stringify(`${id} ${one}`);
    return data;
  };
  for (const id of ['s', 't']) {
    await store.create(aRecord(id, { data: texts(id), label: `${id} label`, client: CLIENT }));
  }
  stored = [(await inner.read('s'))!, (await inner.read('t'))!];
});

const swaps = ['s', 't'].flatMap((session) => NAMES.map((name) => ({ session, name })));

it.each(swaps)('no other text is read as %j, from another session or property', async ({ session, name }) => {
  const before = (await store.read(session))!.data[name];
  expect(before).toBe(JSON.stringify(`${session} ${name}`));
  for (const record of stored) {
    const others = [...NAMES.map((one) => record.data[one]!), record.label!, record.client!.first];
    for (const [at, text] of others.entries()) {
      if (record.id === session && NAMES[at] === name) continue;
      const set = Object.assign(Object.create(null), { [`${name}`]: text }) as Record<string, string>;
      if (name === '__proto__') Object.defineProperty(set, name, { value: text, enumerable: true });
      await inner.update({ id: session }, { set });
      const { data } = (await store.read(session))!;
      expect(data[name], `${at} of ${record.id}`).toBeUndefined();
      expect(Object.keys(data)).toContain(name);
    }
  }
  expect(logged.length).toBe(1);
  expect(logged[0]).toContain('was changed in the store, or belongs to another session or property');
});

it('no other text is read as a label, from another session or a property', async () => {
  for (const text of [stored[1].label!, stored[0].data['a']!, stored[0].client!.first]) {
    await inner.update({ id: 's' }, { label: text });
    expect((await store.read('s'))!.label).toBeUndefined();
  }
});

it('no other text is read as a client, from another session or a property', async () => {
  const { client: own, data, label } = stored[0];
  for (const client of [stored[1].client!.last, own!.first, data['a']!, label!]) {
    await inner.update({ id: 's' }, { seen: { at: Date.now() + 1000, client } });
    expect((await store.read('s'))!.client).toEqual({ first: CLIENT.first, last: '' });
  }
});

it('a client of a session that had none is read as the first and the last one', async () => {
  await store.create(aRecord('u'));
  await store.update({ id: 'u' }, { seen: { at: Date.now(), client: CLIENT.first } });
  expect((await store.read('u'))!.client).toEqual({ first: CLIENT.first, last: CLIENT.first });
  await store.update({ id: 'u' }, { seen: { at: Date.now() + 1, client: CLIENT.last } });
  expect((await store.read('u'))!.client).toEqual(CLIENT);
});
