import { randomBytes, randomUUID } from 'node:crypto';
import { EncryptedStore, type SessionRecord, type SessionStore } from 'nestjs-session-stores/store';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sharedStores } from '../cache/shared.stores.js';
import { serveApp } from '../http/app.js';
import { aRecord } from '../record.js';
import { dumps } from './dumps.js';
import { aKey } from './keys.js';

const SESSIONS = process.env['LONG'] ? 1000 : 100;
/** Those of a session. Every other one gets its label with its creation, and no other. */
const CANARIES = 20;

/** A text that stands for something secret, and is found nowhere by chance. */
const aCanary = (): string => `canary-${randomBytes(9).toString('hex')}`;

async function opened(store: SessionStore): Promise<SessionStore> {
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

describe.each(sharedStores)('a raw dump of the store %s', (word, make) => {
  it('contains ids, and no value, label, client or group name, which are read as they were written', async () => {
    const namespace = randomUUID();
    const inner = await opened(make(namespace));
    const store = await opened(new EncryptedStore(make(namespace), { keys: aKey(), groups: aKey() }));
    let canaries = 0;
    const written = new Map<string, Pick<SessionRecord, 'data' | 'groups'>>();
    const canary = (): string => {
      canaries++;
      return aCanary();
    };
    const some = async (number: number): Promise<void> => {
      const id = randomBytes(24).toString('base64url');
      const isRegenerated = number % 10 === 0;
      const values = Array.from({ length: CANARIES - 10 }, (_, at) => [`a${at}`, JSON.stringify(canary())]);
      const client = { first: JSON.stringify({ ip: canary() }), last: JSON.stringify({ ip: canary() }) };
      const data = Object.fromEntries(values) as Record<string, string>;
      const record = aRecord(id, { data, groups: [`user:${canary()}`], label: canary(), client });
      await store.create(record);
      const group = `user:${canary()}`;
      await store.update(record, {
        set: { cookie: JSON.stringify({ groupName: canary() }), b: JSON.stringify(canary()) },
        join: [group],
        ...(number % 2 === 0 && { label: canary() }),
        seen: { at: record.createdAt, client: canary() },
      });
      await store.joinLimited(record, { group: canary(), max: 3, whenFull: 'reject' });
      // Of a regenerated session, the store keeps the groups.
      if (isRegenerated) await store.regenerate(id);
      else written.set(id, { data, groups: [...record.groups, group] });
    };
    for (let at = 0; at < SESSIONS; at += 20)
      await Promise.all(Array.from({ length: 20 }, (_, index) => some(at + index)));

    expect(canaries).toBeGreaterThanOrEqual(SESSIONS * (CANARIES - 1));
    const dump = await dumps[word]!(namespace, inner);
    expect([...written.keys()].filter((id) => !dump.includes(id))).toEqual([]);
    expect(dump).not.toContain('canary');
    expect(dump).not.toContain('user:');
    for (const [id, { data, groups }] of written) {
      const read = (await store.read(id))!;
      expect(read.data).toMatchObject(data);
      expect(read.groups).toEqual(expect.arrayContaining(groups));
      expect(read.label).toContain('canary');
      expect(read.client!.first).toContain('canary');
    }
  }, 120_000);
});

it('the store of an app with encryption has neither values nor the name of its user', async () => {
  const app = await serveApp(
    {
      '/login': async (session) => {
        await session.regenerate();
        session['user'] = 'canary-user';
        session.joinGroup('user:canary-user');
        session.setLabel('canary-label');
        session.setGroupName('canary-group');
      },
      '/': (session) => ({ user: session['user'] }),
    },
    { encrypt: { keys: aKey(), groups: aKey() }, client: { ip: 'full' } },
  );
  const browser = app.browser();
  await browser.post('/login');
  await browser.get('/');
  expect((await browser.get('/')).json()).toEqual({ user: 'canary-user' });
  const sent = JSON.stringify(app.store.calls);
  expect(sent).toContain('"user":"~');
  for (const plain of ['canary', '127.0.0.1', 'userAgent']) expect(sent).not.toContain(plain);
});
