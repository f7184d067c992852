import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Client, HazelcastJsonValue, type ClientConfig } from 'hazelcast-client';
import { NEVER, type SessionRecord } from 'nestjs-session-stores/store';
import {
  HazelcastStore,
  type HazelcastStoreOptions,
  type ReplicatedSession,
} from 'nestjs-session-stores/stores/hazelcast';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { aRecord } from '../../../test/record.js';
import { eventually } from '../../../test/eventually.js';
import { disturbed, onTheWay, type Disturbed } from '../../../test/hazelcast/disturbed.js';

type HazelcastClient = Awaited<ReturnType<typeof Client.newHazelcastClient>>;
type Stores = readonly [HazelcastStore, HazelcastStore];

const { clusterName, members } = inject('hazelcast');
const config: ClientConfig = {
  clusterName,
  network: { clusterMembers: members },
  properties: { 'hazelcast.logging.level': 'OFF' },
};
const LONG = process.env['LONG'] === '1';
/** How often each law is run. */
const ROUNDS = LONG ? 20 : 1;
const MINUTE = 60_000;
const MONTH = 30 * 24 * 60 * MINUTE;

/** Two clients: one parses values, which is the default, and one does not. */
let clients: [HazelcastClient, HazelcastClient];

beforeAll(async () => {
  const serialization = { jsonStringDeserializationPolicy: 'NO_DESERIALIZATION' } as NonNullable<
    ClientConfig['serialization']
  >;
  clients = await Promise.all([
    Client.newHazelcastClient(config),
    Client.newHazelcastClient({ ...config, serialization }),
  ]);
});
afterAll(() => Promise.all(clients.map((client) => client.shutdown())));

/** Runs `story` with two stores of one prefix, each with its own client. */
async function withStores(
  story: (stores: Stores, prefix: string) => Promise<void>,
  options: HazelcastStoreOptions = {},
): Promise<void> {
  const prefix = `${randomUUID()}:`;
  const [one, other] = clients.map((client) => {
    return new HazelcastStore({ ...(options.config ? {} : { client }), prefix, ...options });
  });
  const stores = [one!, other!] as const;
  try {
    for (const store of stores) await store.open();
    await story(stores, prefix);
  } finally {
    for (const store of stores) await store.close();
  }
}

/** The entry under a key, read without a store. */
async function found(mapName: string, id: string): Promise<Record<string, unknown> | null> {
  return (await clients[0].getMap<string, Record<string, unknown>>(mapName)).get(id);
}

/** How long an entry lives, in milliseconds. */
async function ttlOf(mapName: string, id: string): Promise<number> {
  const view = await (await clients[0].getMap<string, unknown>(mapName)).getEntryView(id);
  return view.ttl.toNumber();
}

describe('two stores on a cluster of two members keep the law', () => {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, { timeout: ROUNDS * 30_000 }, async () => {
      for (let round = 0; round < ROUNDS; round++) await withStores((stores) => law.holds(stores));
    });
  }
});

describe('a store with its own client', () => {
  it.each(sessionStoreLaws.filter(({ name }) => /^[123]/.test(name)))('keeps the law: $name', (law) =>
    withStores((stores) => law.holds(stores), { config }),
  );

  it('rejects open in time and with the reason, and leaves nothing open', async () => {
    const store = new HazelcastStore({
      config: { ...config, network: { clusterMembers: ['127.0.0.1:9'] } },
      timeout: 1000,
    });
    const begun = performance.now();
    await expect(store.open()).rejects.toThrow(
      '[session:hazelcast] open: could not connect to 127.0.0.1:9. Are members running',
    );
    expect(performance.now() - begun).toBeLessThan(2000);
    await expect(store.read('k')).rejects.toThrow('the store could not be opened');
  });

  it('closes its connections to members that do not respond, at its deadline', async () => {
    const silent = await Promise.all([aMuteMember(), aMuteMember()]);
    const clusterMembers = silent.map(({ address }) => address);
    const store = new HazelcastStore({ config: { ...config, network: { clusterMembers } }, timeout: 1000 });
    const begun = performance.now();
    await expect(store.open()).rejects.toThrow('open: could not connect');
    const connected = () => silent.flatMap(({ sockets }) => sockets);
    await eventually(() => connected().every(({ closed }) => closed));
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(connected()).toHaveLength(2);
  });

  it.each<[string, unknown, string]>([
    ['a misspelt name', { clusterNam: 'dev' }, "config: Unexpected config key 'clusterNam'"],
    ['members that are not a list', { network: { clusterMembers: 'one' } }, 'config: one is not an array'],
    [
      'a timeout that is not a number',
      { network: { connectionTimeout: 'soon' } },
      'config: soon is not a number',
    ],
  ])('says what is wrong with a config that the client refuses: %s', async (_, wrong, problem) => {
    const store = new HazelcastStore({ config: { ...config, ...(wrong as ClientConfig) } });
    await expect(store.open()).rejects.toThrow(TypeError);
    await expect(store.open()).rejects.toThrow(problem);
  });

  it('opens again after it was closed', async () => {
    const store = new HazelcastStore({ config, prefix: `${randomUUID()}:` });
    for (const id of ['a', 'b']) {
      await store.open();
      await store.create(aRecord(id));
      expect(await store.count()).toBe(id === 'a' ? 1 : 2);
      await store.close();
    }
    await expect(store.count()).rejects.toThrow('the store is not open');
  });
});

/** A server that accepts connections and never responds. */
async function aMuteMember(): Promise<{ address: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.resume()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

describe('a given client', () => {
  it('is not shut down, and may be a promise', async () => {
    const store = new HazelcastStore({ client: Promise.resolve(clients[0]) });
    await store.open();
    await store.close();
    expect(clients[0].getLifecycleService().isRunning()).toBe(true);
  });

  it('that is a rejected promise makes open reject', async () => {
    const store = new HazelcastStore({ client: Promise.reject(new Error('no such cluster')) });
    await expect(store.open()).rejects.toMatchObject({
      name: 'SessionStoreError',
      cause: { message: 'no such cluster' },
    });
  });

  it('that has shut down makes calls reject with what to do', async () => {
    const client = await Client.newHazelcastClient(config);
    const store = new HazelcastStore({ client });
    await store.open();
    await client.shutdown();
    await expect(store.read('k')).rejects.toThrow('read: the client has shut down and does not reconnect');
  });
});

it.each([
  ['neither client nor config', {}, 'none of them is set'],
  ['both', { client: {} as HazelcastClient, config }, 'both are set'],
  ['a config that is not an object', { config: 'dev' }, 'config must be an object'],
  ['a near cache', { config: { ...config, nearCaches: { 'Sess*': {} } } }, 'nearCaches'],
  ['redoOperation', { config: { ...config, network: { redoOperation: true } } }, 'redoOperation'],
  ['asyncStart', { config: { ...config, connectionStrategy: { asyncStart: true } } }, 'asyncStart'],
  ['no maps', { config, maps: [] }, 'maps must be'],
  ['a map without a name', { config, maps: [{ mapName: '' }] }, 'mapName'],
  ['a name twice', { config, maps: [{ mapName: 'A' }, { mapName: 'A', bean: Object }] }, 'different names'],
  ['a first map with a bean', { config, maps: [{ mapName: 'A', bean: Object }] }, 'must have no bean'],
  ['a second without', { config, maps: [{ mapName: 'A' }, { mapName: 'B' }] }, 'the map B needs a bean'],
  ['a prefix that is not a string', { config, prefix: 1 }, 'prefix must be'],
  ['an invalid timeout', { config, timeout: 0 }, 'timeout must be'],
])('options with %s are rejected', (_, options, problem) => {
  expect(() => new HazelcastStore(options as HazelcastStoreOptions)).toThrow(problem);
});

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

it('sessions with one id in two prefixes stay apart, whatever the prefixes', async () => {
  const base = randomUUID();
  const stores = ['a', 'a/b', 'a%2Fb'].map(
    (prefix) => new HazelcastStore({ client: clients[0], prefix: `${base}${prefix}/` }),
  );
  await Promise.all(stores.map((store) => store.open()));
  await Promise.all(stores.map((store) => store.create(aRecord('k', { groups: ['g', 'b/g'] }))));
  expect(await Promise.all(stores.map((store) => store.count('g')))).toEqual([1, 1, 1]);
  expect(await stores[0]!.clear('b/g')).toBe(1);
  expect(await stores[0]!.clear()).toBe(0);
  expect(await Promise.all(stores.map((store) => store.count()))).toEqual([0, 1, 1]);
  await Promise.all(stores.map((store) => store.close()));
});

it('no id reaches a session of another prefix in the same map', async () => {
  const maps: HazelcastStoreOptions['maps'] = [{ mapName: `Sessions of ${randomUUID()}` }];
  const stores = ['', 'app:', 'app:admin:', 'app:/'].map(
    (prefix) => new HazelcastStore({ client: clients[0], prefix, maps }),
  );
  await Promise.all(stores.map((store) => store.open()));
  const foreign = ['app:', 'app:admin:', 'app:/', 'app:%2F/', 'admin:', '/', '//'].flatMap((start) => [
    `${start}k`,
    `${start}/k`,
  ]);
  for (const store of stores) await store.create(aRecord('k'));
  for (const store of stores) {
    for (const id of foreign) {
      expect(await store.read(id)).toBeUndefined();
      expect(await store.destroy(id)).toBe(false);
    }
    expect(await store.read('k')).toMatchObject({ id: 'k' });
    // Each is listed under its own id.
    await store.create(aRecord('%2F/k%'));
    const { records } = await store.page({ limit: 10 });
    expect(records.map(({ id }) => id).toSorted()).toEqual(['%2F/k%', 'k']);
    await store.close();
  }
});

it('pages of all sessions read only as many sessions as they show, to the last page', () =>
  withStores(
    async ([store]) => {
      const count = 1500;
      for (let at = 0; at < count; at += 500) {
        await Promise.all(Array.from({ length: 500 }, (_, index) => store.create(aRecord(`k${at + index}`))));
      }
      const widths: number[] = [];
      let after: string | undefined;
      do {
        const { next } = await store.page({ limit: 100, after });
        const [, from, to] = /^(\d+)-(\d+):/.exec(next ?? '') ?? [];
        if (to !== undefined) widths.push((Number(to) - Number(from)) / 2 ** 32);
        after = next;
      } while (after !== undefined);
      expect(widths.length).toBeGreaterThanOrEqual(count / 100 - 1);
      expect(Math.max(...widths)).toBeLessThan(1.1 * (100 / count));
    },
    { maps: [{ mapName: `Sessions of ${randomUUID()}` }] },
  ));

it.each([
  ['all', undefined],
  ['a group', 'g'],
])('pages of %s hold about four MiB, so that large sessions do not fill the memory', (_, group) =>
  withStores(
    async ([store]) => {
      const data = { a: JSON.stringify('x'.repeat(1024 * 1024)) };
      const ids = Array.from({ length: 10 }, (__, index) => `k${index}`);
      for (const id of ids) await store.create(aRecord(id, { data, groups: ['g'] }));
      const paged: string[] = [];
      const lengths: number[] = [];
      let after: string | undefined;
      do {
        const { records, next } = await store.page({ group, limit: 1000, after });
        paged.push(...records.map(({ id }) => id));
        lengths.push(records.length);
        after = next;
      } while (after !== undefined);
      expect(paged.toSorted()).toEqual(ids);
      expect(lengths).toEqual([4, 4, 2]);
    },
    { maps: [{ mapName: `Sessions of ${randomUUID()}` }] },
  ),
);

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

class Cart {
  readonly items: unknown;
  constructor({ data }: ReplicatedSession) {
    if (data['items'] === 'spoiled') throw new RangeError('no such items');
    this.items = data['items'] ?? [];
  }
}

const whoOf = ({ id, data, groups, createdAt }: ReplicatedSession): object | undefined =>
  data['user'] === undefined ? undefined : { who: data['user'], id, groups, createdAt };

describe('replica maps', () => {
  const maps: NonNullable<HazelcastStoreOptions['maps']> = [
    { mapName: 'Sessions' },
    { mapName: 'Carts', bean: Cart },
    { mapName: 'Who', bean: whoOf },
  ];
  const onlyCarts: typeof maps = [maps[0], maps[1]!];
  const both = (id: string) => Promise.all([found('Carts', id), found('Who', id)]);
  const anyone: Partial<SessionRecord> = {
    data: { items: '[1,2]', user: '"ada"', cookie: '{}', damaged: '{' },
    groups: ['user:ada'],
  };

  it('hold the result of the beans, with the expiry and version of the session, under its id', () =>
    withStores(
      async ([store, other], prefix) => {
        const record = aRecord('k', anyone);
        const { id, createdAt, expiresAt } = record;
        await store.create(record);
        const who = { who: 'ada', id, groups: ['user:ada'], createdAt };
        expect(await both(`${prefix}/k`)).toEqual([
          { items: [1, 2], expiresAt, version: 1 },
          { ...who, expiresAt, version: 1 },
        ]);
        await other.update(record, { set: { items: '[3]' }, leave: ['user:ada'] });
        expect(await both(`${prefix}/k`)).toEqual([
          { items: [3], expiresAt, version: 2 },
          { ...who, groups: [], expiresAt, version: 2 },
        ]);
        await store.rotate(record, record.secretHash, 'another', 0);
        expect(await found('Carts', `${prefix}/k`)).toMatchObject({ version: 3 });
      },
      { maps },
    ));

  it.each<[string, NonNullable<HazelcastStoreOptions['maps']>, string]>([
    ['the bean', onlyCarts, 'the bean of the map Carts failed'],
    [
      'onBeanError',
      [
        maps[0],
        {
          mapName: 'Carts',
          bean: Cart,
          onBeanError(error) {
            throw error;
          },
        },
      ],
      'onBeanError of the map Carts failed',
    ],
  ])('let only that one of parallel saves fail for which %s throws', (_, ofThese, problem) =>
    withStores(
      async ([store]) => {
        await store.create(aRecord('k', anyone));
        const changes = ['[1]', '[2]', '"spoiled"', '[3]'].map((items) => ({ set: { items } }));
        const outcomes = await Promise.allSettled(
          changes.map((change) => store.update(aRecord('k'), change)),
        );
        expect(outcomes.map(({ status }) => status)).toEqual([
          'fulfilled',
          'fulfilled',
          'rejected',
          'fulfilled',
        ]);
        expect(String((outcomes[2] as PromiseRejectedResult).reason)).toMatch(`update: ${problem}`);
        expect((await store.read('k'))!.data['items']).toBe('[3]');
      },
      { maps: ofThese },
    ),
  );

  it('have no entry if the bean returns none, even if they had one before', () =>
    withStores(
      async ([store], prefix) => {
        const record = aRecord('k', anyone);
        await store.create(record);
        await store.update(record, { remove: ['user'] });
        expect(await both(`${prefix}/k`)).toEqual([expect.objectContaining({ items: [1, 2] }), null]);
        await store.update(record, { set: { user: '"bob"' } });
        expect(await found('Who', `${prefix}/k`)).toMatchObject({ who: 'bob' });
      },
      { maps },
    ));

  it('live as long as a touch says, and never forever', () =>
    withStores(
      async ([store], prefix) => {
        const from = Date.now() + MINUTE;
        const to = Date.now() + MONTH;
        await store.create(aRecord('k', { ...anyone, expiresAt: from }));
        expect(await ttlOf('Carts', `${prefix}/k`)).toBeLessThan(2 * MINUTE);
        await store.update(aRecord('k'), { touch: { from, to } });
        for (const mapName of ['Carts', 'Who']) {
          expect(await ttlOf(mapName, `${prefix}/k`)).toBeGreaterThan(MONTH);
          expect(await found(mapName, `${prefix}/k`)).toMatchObject({ expiresAt: to });
        }
        await store.update(aRecord('k'), { expiresAt: NEVER });
        expect(await ttlOf('Carts', `${prefix}/k`)).toBeLessThan(13 * MONTH);
      },
      { maps },
    ));

  it('do not live longer than a session whose lifetime was shortened', () =>
    withStores(
      async ([store], prefix) => {
        await store.create(aRecord('k', { ...anyone, expiresAt: Date.now() + MONTH }));
        await store.update(aRecord('k'), { expiresAt: Date.now() + MINUTE });
        expect(await ttlOf('Carts', `${prefix}/k`)).toBeLessThan(2 * MINUTE);
        expect(await ttlOf('Who', `${prefix}/k`)).toBeLessThan(2 * MINUTE);
      },
      { maps },
    ));

  it('live as long as the winner of a race says, if the loser sets a shorter time', () =>
    withStores(
      async ([winner], prefix) => {
        await winner.create(aRecord('k', { ...anyone, expiresAt: Date.now() + MINUTE }));
        let winning: Promise<unknown> | undefined;
        // The first two calls write the session, the later ones its replica.
        const overtaken = onTheWay(clients[1], ['replaceIfSame', 'setTtl'], async (count) => {
          if (count > 2) await (winning ??= winner.update(aRecord('k'), { expiresAt: Date.now() + MONTH }));
        });
        const loser = new HazelcastStore({ client: overtaken, prefix, maps: onlyCarts });
        await loser.open();
        await loser.update(aRecord('k'), { set: { b: '2' } });
        expect(winning).toBeDefined();
        expect(await ttlOf('Carts', `${prefix}/k`)).toBeGreaterThan(MONTH);
        await loser.close();
      },
      { maps },
    ));

  it('are removed with their session when it is destroyed, regenerated, cleared or set to expire', () =>
    withStores(
      async ([store, other], prefix) => {
        const endings: ((id: string) => Promise<unknown>)[] = [
          (id) => other.destroy(id),
          (id) => other.regenerate(id),
          () => other.clear('user:ada'),
          () => other.clear(),
          (id) => other.update(aRecord(id), { expiresAt: 0 }),
        ];
        for (const [index, end] of endings.entries()) {
          await store.create(aRecord(`k${index}`, anyone));
          await end(`k${index}`);
          expect(await both(`${prefix}/k${index}`)).toEqual([null, null]);
        }
      },
      { maps },
    ));

  it('are repaired by the next save if a crash has left them stale', () =>
    withStores(
      async ([store, other], prefix) => {
        const record = aRecord('k', anyone);
        const own = `${prefix}/k`;
        await store.create(record);
        const [carts, who] = await Promise.all([clients[0].getMap('Carts'), clients[0].getMap('Who')]);
        await carts.set(own, new HazelcastJsonValue('{"items":[],"version":0}'));
        await who.delete(own);
        const { expiresAt } = record;
        await other.update(record, { touch: { from: expiresAt, to: expiresAt + MINUTE } });
        expect(await both(own)).toEqual([
          expect.objectContaining({ items: [1, 2], version: 2 }),
          expect.objectContaining({ who: 'ada', version: 2 }),
        ]);
      },
      { maps },
    ));

  it('are never set back to an earlier version', () =>
    withStores(
      async ([store], prefix) => {
        const own = `${prefix}/k`;
        await store.create(aRecord('k', anyone));
        await (await clients[0].getMap('Carts')).set(own, new HazelcastJsonValue('{"version":9}'));
        await store.update(aRecord('k'), { set: { items: '[]' } });
        expect(await found('Carts', own)).toEqual({ version: 9 });
      },
      { maps },
    ));

  it('replace an entry that another program wrote in a form of its own', () =>
    withStores(
      async ([parsing], prefix) => {
        const own = `${prefix}/k`;
        await (await clients[0].getMap('Carts')).set(own, new HazelcastJsonValue('{ "items": 1 }'));
        await parsing.create(aRecord('k', anyone));
        expect(await found('Carts', own)).toMatchObject({ items: [1, 2], version: 1 });

        await parsing.update(aRecord('k'), { remove: ['user'] });
        await (await clients[0].getMap('Who')).set(own, new HazelcastJsonValue('{ "who": "eve" }'));
        await parsing.update(aRecord('k'), { set: { b: '2' } });
        expect(await found('Who', own)).toBeNull();
      },
      { maps },
    ));

  it('have every name that a bean gave', () =>
    withStores(
      async ([store], prefix) => {
        // `JSON.parse` of Node 24 and 26 takes the second name here for that of the session before.
        await store.create(aRecord('k', { data: { onlyHere: '1', '\\': '2' } }));
        await store.create(aRecord('l', { data: { onlyHere: '1', '"': '2' } }));
        const text = String(await (await clients[1].getMap('All')).get(`${prefix}/l`));
        expect(text.replace(/"expiresAt":\d+/, '"expiresAt":0')).toBe(
          String.raw`{"onlyHere":1,"\"":2,"expiresAt":0,"version":1}`,
        );
      },
      { maps: [maps[0], { mapName: 'All', bean: ({ data }: ReplicatedSession) => data }] },
    ));

  it('are those of the last version if a writer is late', () =>
    withStores(
      async ([store], prefix) => {
        const own = `${prefix}/k`;
        await store.create(aRecord('k', { data: {} }));
        // The user logs out after the late writer has written the session, and before it writes the replicas.
        const late = onTheWay(clients[1], ['putIfAbsent'], (count) =>
          count === 1 ? store.update(aRecord('k'), { remove: ['user'] }).then(() => {}) : Promise.resolve(),
        );
        const slow = new HazelcastStore({ client: late, prefix, maps });
        await slow.open();
        await slow.update(aRecord('k'), { set: { user: '"ada"' } });
        expect((await store.read('k'))!.data).not.toHaveProperty('user');
        expect(await found('Who', own)).toBeNull();
        await slow.close();
      },
      { maps },
    ));

  describe('are not left behind by a session that has ended if', () => {
    const gone = (prefix: string) => async () => (await found('Carts', `${prefix}/k`)) === null;

    /** Runs `work` with a store whose first call of a method of a map rejects, although it has acted. */
    async function failing(
      prefix: string,
      where: [mapName: string, method: Disturbed],
      instead: (call: () => Promise<unknown>) => Promise<unknown>,
      work: (store: HazelcastStore) => Promise<unknown>,
    ): Promise<void> {
      let hasFailed = false;
      const client = disturbed(clients[1], [where[1]], async (call, mapName) => {
        if (hasFailed || mapName !== where[0]) return call();
        hasFailed = true;
        await instead(call);
        throw new Error('broken');
      });
      const store = new HazelcastStore({ client, prefix, maps: onlyCarts });
      await store.open();
      onTestFinished(() => store.close());
      await expect(work(store)).rejects.toMatchObject({ cause: { message: 'broken' } });
    }

    it('a replica was written, but the response was lost', () =>
      withStores(
        async ([other], prefix) => {
          const endFirst = async (write: () => Promise<unknown>): Promise<unknown> => {
            await other.destroy('k');
            return write();
          };
          await failing(prefix, ['Carts', 'putIfAbsent'], endFirst, (store) =>
            store.create(aRecord('k', anyone)),
          );
          await eventually(gone(prefix));
        },
        { maps: onlyCarts },
      ));

    it.each<[string, (store: HazelcastStore) => Promise<unknown>]>([
      ['destroy', (store) => store.destroy('k')],
      ['clear', (store) => store.clear()],
    ])('a %s did not get through to the replica', (_, end) =>
      withStores(
        async ([other], prefix) => {
          await other.create(aRecord('k', anyone));
          await failing(prefix, ['Carts', 'delete'], () => Promise.resolve(), end);
          await eventually(gone(prefix));
        },
        { maps: onlyCarts },
      ),
    );

    it('a session was destroyed, but the response was lost', () =>
      withStores(
        async ([other], prefix) => {
          await other.create(aRecord('k', anyone));
          await failing(
            prefix,
            ['Sessions', 'replace'],
            (call) => call(),
            (store) => store.destroy('k'),
          );
          await eventually(gone(prefix));
        },
        { maps: onlyCarts },
      ));
  });

  it('contain neither the secret nor the secret hash', () =>
    withStores(async ([store], prefix) => {
      const seen = vi.fn<(session: ReplicatedSession) => object>(({ data }) => ({ ...data }));
      const watched = new HazelcastStore({
        client: clients[0],
        prefix,
        maps: [{ mapName: 'Sessions' }, { mapName: 'Watched', bean: seen }],
      });
      await watched.open();
      await watched.create(
        aRecord('k', { ...anyone, previous: { hash: 'before', replacedAt: 1, grace: 1 } }),
      );
      expect(Object.keys(seen.mock.lastCall![0]).toSorted()).toEqual([
        'createdAt',
        'data',
        'expiresAt',
        'groups',
        'id',
      ]);
      const { expiresAt } = (await store.read('k'))!;
      expect(await found('Watched', `${prefix}/k`)).toEqual({
        items: [1, 2],
        user: 'ada',
        expiresAt,
        version: 1,
      });
      await watched.close();
    }));

  describe('with a bean that throws', () => {
    it('make the save fail before anything is saved, and name the map', () =>
      withStores(
        async ([store], prefix) => {
          const record = aRecord('k', anyone);
          await store.create(record);
          await expect(store.update(record, { set: { items: '"spoiled"' } })).rejects.toMatchObject({
            message: expect.stringContaining(
              'update: the bean of the map Carts failed, so nothing was saved',
            ),
            cause: { message: 'no such items' },
          });
          expect((await store.read('k'))!.data['items']).toBe('[1,2]');
          expect(await found('Carts', `${prefix}/k`)).toMatchObject({ items: [1, 2], version: 1 });
          const spoiled = aRecord('l', { data: { items: '"spoiled"' } });
          await expect(store.create(spoiled)).rejects.toThrow('the map Carts');
          expect(await store.read('l')).toBeUndefined();
        },
        { maps },
      ));

    it('leave the entry as it was and call onBeanError, if there is one', async () => {
      const onBeanError = vi.fn<(error: unknown, mapName: string, id: string) => void>();
      await withStores(
        async ([store], prefix) => {
          await store.create(aRecord('k', anyone));
          await store.update(aRecord('k'), { set: { items: '"spoiled"' } });
          expect((await store.read('k'))!.data['items']).toBe('"spoiled"');
          expect(await found('Carts', `${prefix}/k`)).toMatchObject({ items: [1, 2], version: 1 });
          expect(onBeanError).toHaveBeenCalledExactlyOnceWith(expect.any(RangeError), 'Carts', 'k');
        },
        { maps: [{ mapName: 'Sessions' }, { mapName: 'Carts', bean: Cart, onBeanError }] },
      );
    });

    it.each([
      ['a string', () => 'text' as unknown as object],
      ['an array', () => [1]],
      ['an object with its own version', () => ({ version: 1 })],
      ['an object that JSON cannot hold', () => ({ big: 1n })],
    ])('or gives %s do not save either', (_, bean) =>
      withStores(
        async ([store]) => {
          await expect(store.create(aRecord('k'))).rejects.toThrow('the bean of the map Carts failed');
          expect(await store.read('k')).toBeUndefined();
        },
        { maps: [{ mapName: 'Sessions' }, { mapName: 'Carts', bean }] },
      ),
    );
  });

  it(`do not outlive a session that is destroyed during a save, in ${LONG ? 200 : 20} rounds`, () =>
    withStores(
      async ([one, other], prefix) => {
        for (let round = 0; round < (LONG ? 200 : 20); round++) {
          const id = `k${round}`;
          const record = aRecord(id, anyone);
          await one.create(record);
          const read = (await other.read(id))!;
          const saves = [one, other].map((store) => store.update(read, { set: { items: `[${round}]` } }));
          await new Promise((resolve) => setTimeout(resolve, round % 5));
          await Promise.all([...saves, (round % 2 ? one : other).destroy(id)]);
          expect(await both(`${prefix}/${id}`)).toEqual([null, null]);
        }
      },
      { maps },
    ));
});
