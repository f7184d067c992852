import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Session } from 'nestjs-session-stores';
import {
  SessionStoreDecorator,
  type SessionChange,
  type SessionRecord,
  type SessionRef,
  type SessionStore,
  type SessionUpdate,
} from 'nestjs-session-stores/store';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loggedIn, serveApp } from './http/app.js';
import { aRecord } from './record.js';
import { everyStore } from './stores/every.store.js';

const LONG = process.env['LONG'] !== undefined;

/** How many adds are made, and how many of them are in flight. */
const ADDS = 1000;
const IN_FLIGHT = 200;

/** How often a value is taken, and by how many calls. */
const ROUNDS = LONG ? 1000 : 20;
const TAKES = 50;

async function opened(make: () => SessionStore): Promise<SessionStore> {
  const store = make();
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

/** Runs `work` for the numbers from 0 to `count`, without it. */
async function inFlight(
  count: number,
  most: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: most }, lane));
}

/** Encrypts all values, as an app's own decorator does. */
class EncryptingStore extends SessionStoreDecorator {
  readonly #key = randomBytes(32);

  #seal(text: string): string {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv);
    return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64');
  }

  #open(sealed: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString();
  }

  #each(texts: Record<string, string>, change: (text: string) => string): Record<string, string> {
    return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, change(text)]));
  }

  protected override doCreate(record: SessionRecord): Promise<boolean> {
    return super.doCreate({ ...record, data: this.#each(record.data, (text) => this.#seal(text)) });
  }

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    const record = await super.doRead(id);
    return record && { ...record, data: this.#each(record.data, (text) => this.#open(text)) };
  }

  protected override async doUpdate(
    ref: SessionRef,
    change: SessionChange,
  ): Promise<SessionUpdate | undefined> {
    const { set } = change;
    const sealed = set ? { ...change, set: this.#each(set, (text) => this.#seal(text)) } : change;
    const update = await super.doUpdate(ref, sealed);
    return update?.text === undefined ? update : { ...update, text: this.#open(update.text) };
  }
}

describe.each(everyStore)('on the store %s', (_, make) => {
  it('of adds in flight together, exactly those that were acknowledged are counted', async () => {
    const store = await opened(make);
    await store.create(aRecord('counted', { data: { other: '"é"' } }));
    let acknowledged = 0;
    const texts = new Set<string>();
    await inFlight(ADDS, IN_FLIGHT, async () => {
      const update = await store.update({ id: 'counted' }, { add: { name: 'visits', by: 1 } });
      texts.add(update!.text!);
      acknowledged++;
    });
    expect(acknowledged).toBe(ADDS);
    expect((await store.read('counted'))!.data['visits']).toBe(String(ADDS));
    expect(texts.size).toBe(ADDS);
  });

  it(
    'of parallel takes one gets the value, each time',
    async () => {
      const store = await opened(make);
      await store.create(aRecord('taken'));
      for (let round = 0; round < ROUNDS; round++) {
        await store.update({ id: 'taken' }, { set: { code: `"${round}"` } });
        const updates = await Promise.all(
          Array.from({ length: TAKES }, () => store.update({ id: 'taken' }, { take: 'code' })),
        );
        expect(updates.filter((update) => update === undefined)).toEqual([]);
        expect(updates.flatMap((update) => update!.text ?? [])).toEqual([`"${round}"`]);
      }
    },
    LONG ? 300_000 : 30_000,
  );

  it('requests in parallel are all counted, and one of them gets a value', async () => {
    type Own = Session & Record<string, any>;
    const app = await serveApp(
      {
        '/login': (session: Own) => void (session.state = 's1'),
        '/': async (session: Own) => ({
          sum: await session.add('visits'),
          state: await session.take('state'),
        }),
      },
      { store: make() },
    );
    const browser = await loggedIn(app);
    const all = await Promise.all(
      Array.from({ length: TAKES }, async () =>
        (await browser.clone().get('/')).json<{ sum: number; state?: string }>(),
      ),
    );
    const sums = all.map(({ sum }) => sum).toSorted((a, b) => a - b);
    expect(sums).toEqual(Array.from({ length: TAKES }, (__, at) => at + 1));
    expect(all.flatMap(({ state }) => state ?? [])).toEqual(['s1']);
  });

  it('a value that a decorator has encrypted can be taken, and cannot be added to', async () => {
    const store = await opened(() => new EncryptingStore(make()));
    await store.create(aRecord('sealed', { data: { code: '"1234"', visits: '5' } }));
    expect((await store.update({ id: 'sealed' }, { take: 'code' }))?.text).toBe('"1234"');
    const add = { name: 'visits', by: 1 };
    expect((await store.update({ id: 'sealed' }, { add }))?.refused).toBe('not an integer');
    expect((await store.read('sealed'))?.data).toEqual({ visits: '5' });
  });
});
