import { randomUUID } from 'node:crypto';
import {
  EncryptedStore,
  MigratingStore,
  type EncryptedStoreOptions,
  type SessionRecord,
  type SessionStore,
} from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sharedStores } from '../cache/shared.stores.js';
import { aKey } from '../encryption/keys.js';
import { serveApp, type Handler } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { aRecord } from '../record.js';

const [one, other, groups, otherGroups] = [aKey(), aKey(), aKey(), aKey()];
const logger = { error: () => {}, warn: () => {} };
const CLIENT = { first: '{"ip":"192.0.2.1"}', last: '{"ip":"192.0.2.2"}' };

const aClusterStore = (name: string): SessionStore => new ClusterStore({ name });

type Encrypt = Omit<EncryptedStoreOptions, 'logger'> | undefined;

/** A handle of the sessions of a name, opened. */
async function on(name: string, encrypt?: Encrypt, make = aClusterStore): Promise<SessionStore> {
  const inner = make(name);
  return opened(encrypt ? new EncryptedStore(inner, { ...encrypt, logger }) : inner);
}

async function opened<T extends SessionStore>(store: T): Promise<T> {
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

const whole = (): SessionRecord =>
  aRecord('k', { data: { user: '"ada"' }, groups: ['user:ada'], label: 'Home', client: CLIENT });

/** Two stores, the first of which has a session, and a migration between them. */
async function migration(
  { written, from, to }: { written: Encrypt; from: Encrypt; to: Encrypt },
  make = aClusterStore,
): Promise<{ migrating: MigratingStore; writing: SessionStore; rawOld: SessionStore; rawNew: SessionStore }> {
  const [old, target] = [randomUUID(), randomUUID()];
  const writing = await on(old, written, make);
  await writing.create(whole());
  const store = await on(old, from, make);
  const newStore = await on(target, to, make);
  const migrating = await opened(new MigratingStore(newStore, { store, move: true, logger }));
  return {
    migrating,
    writing,
    rawOld: await on(old, undefined, make),
    rawNew: await on(target, undefined, make),
  };
}

describe.each(sharedStores)('between two stores %s, a session moves', (_, make) => {
  it.each<[what: string, ways: { from: Encrypt; to: Encrypt }]>([
    ['from one key to another', { from: { keys: one, groups }, to: { keys: other, groups: otherGroups } }],
    ['from plain text into encryption', { from: undefined, to: { keys: one, groups } }],
    ['out of encryption', { from: { keys: one, groups }, to: undefined }],
  ])('%s, with all that it has, sealed anew', async (_what, { from, to }) => {
    const { migrating, rawOld, rawNew } = await migration({ written: from, from, to }, make);
    const sealed = JSON.stringify(await rawOld.read('k'));
    const { data, label, client, groups: names } = (await migrating.read('k'))!;
    expect({ ...data }).toEqual(whole().data);
    expect({ label, client, names }).toEqual({ label: 'Home', client: CLIENT, names: ['user:ada'] });
    expect(await migrating.migration()).toEqual({ move: true, left: 0 });
    expect(await migrating.count('user:ada')).toBe(1);

    const moved = (await rawNew.read('k'))!;
    const parts = [
      moved.data['user']!,
      ...moved.groups,
      moved.label!,
      moved.client!.first,
      moved.client!.last,
    ];
    for (const part of parts) {
      expect(part.startsWith('~')).toBe(to !== undefined);
      if (to) expect(sealed).not.toContain(part);
    }
    expect(await migrating.clear('user:ada')).toBe(1);
  });
});

describe('a session stays in the old store, where nothing of it is lost,', () => {
  const to = { keys: other, groups: otherGroups };
  it.each<[what: string, from: Encrypt, written?: Encrypt]>([
    ['if its values are sealed with an unknown key', { keys: other, groups }],
    [
      'if only its label and client are',
      { keys: other, groups, only: ['none'] },
      { keys: one, groups, only: ['none'] },
    ],
    ['if its groups are sealed with an unknown key', { keys: one, groups: other }],
    ['if its groups are sealed, and the old store has no key for them', { keys: one }],
    ['if it is sealed, and the old store does not open it', undefined],
    ['if it is in plain text, which the old store does not accept', { keys: one, groups }, { keys: one }],
  ])('%s', async (_, from, written = { keys: one, groups }) => {
    const { migrating, writing, rawOld, rawNew } = await migration({ written, from, to });
    const before = await rawOld.read('k');
    const found = (await migrating.read('k'))!;
    expect(found.id).toBe('k');
    await migrating.update(found, { set: { seen: 'true' } });
    expect(await rawNew.read('k')).toBeUndefined();
    expect(await migrating.migration()).toEqual({ move: true, left: 1 });

    const after = (await rawOld.read('k'))!;
    expect(after.data).toMatchObject(before!.data);
    expect(after).toMatchObject({ groups: before!.groups, label: before!.label, client: before!.client });
    const { data, groups: names, label, client } = (await writing.read('k'))!;
    expect({ user: data['user'], names, label, client }).toEqual({
      user: '"ada"',
      names: ['user:ada'],
      label: 'Home',
      client: CLIENT,
    });
  });

  it('until the old store has the key', async () => {
    const [old, target] = [randomUUID(), randomUUID()];
    const written = await on(old, { keys: one, groups });
    await written.create(whole());
    for (const [keys, left] of [
      [other, 1],
      [[other, one], 0],
    ] as const) {
      const store = await on(old, { keys, groups });
      const migrating = await opened(new MigratingStore(await on(target, to), { store, move: true, logger }));
      const { data } = (await migrating.read('k'))!;
      expect(data['user']).toBe(left === 1 ? undefined : '"ada"');
      expect(await migrating.migration()).toEqual({ move: true, left });
    }
  });
});

describe('an app with the options encrypt, migrateFrom and cache', () => {
  const handlers: Record<string, Handler> = {
    '/login': async (session) => {
      await session.regenerate();
      session['user'] = 'Ada Lovelace';
      session.joinGroup('user:ada');
    },
    '/': async (session) => ({ user: session['user'], groups: await session.groupNames() }),
  };

  it('serves sessions from a store with another key, and moves them into its own', async () => {
    const [old, target] = [randomUUID(), randomUUID()];
    const before = await serveApp(handlers, {
      store: new ClusterStore({ name: old }),
      encrypt: { keys: one, groups },
    });
    const browser = before.browser();
    await browser.post('/login');

    const store = new EncryptedStore(new ClusterStore({ name: old }), { keys: one, groups });
    const after = await serveApp(handlers, {
      store: new ClusterStore({ name: target }),
      encrypt: { keys: other, groups: otherGroups },
      migrateFrom: { store, move: true },
      cache: true,
    });
    const here = new Browser(after.url);
    for (const [name, value] of browser.cookies) here.cookies.set(name, value);
    for (let n = 0; n < 3; n++)
      expect((await here.get('/')).json()).toEqual({ user: 'Ada Lovelace', groups: ['user:ada'] });
    const [rawOld, rawNew] = [await on(old), await on(target)];
    expect(await rawOld.count()).toBe(0);
    const { records } = await rawNew.page({ limit: 10 });
    expect(records.length).toBe(1);
    for (const plain of ['Lovelace', 'user:']) expect(JSON.stringify(records[0])).not.toContain(plain);
    expect((await here.get('/')).status).toBe(200);
    expect(after.logged).toEqual([]);
  });
});
