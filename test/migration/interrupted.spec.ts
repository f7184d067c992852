import { MemoryStore } from 'express-session';
import {
  MigratingStore,
  NO_SECRET_HASH,
  SessionStoreDecorator,
  SessionStoreError,
  TOMBSTONE_LIFETIME,
  type SessionRecord,
  type SessionStore,
  type SessionStoreOperation,
} from 'nestjs-session-stores/store';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { MapStore } from '../stores/map.store.js';

/** What happens at the last call that a process makes. */
type Fault =
  | 'the call fails'
  | 'the call fails after it has acted'
  | 'the process stops'
  | 'the process stops after it';
const FAULTS: Fault[] = [
  'the call fails',
  'the call fails after it has acted',
  'the process stops',
  'the process stops after it',
];

/** The calls of one process to both stores, of which one goes wrong. */
class Calls {
  count = 0;
  isStopped = false;

  constructor(
    private readonly wrong: number,
    private readonly fault: Fault,
  ) {}

  async pass<T>(operation: SessionStoreOperation, work: () => Promise<T>): Promise<T> {
    if (this.isStopped) return stopped();
    if (++this.count !== this.wrong) return work();
    if (this.fault.endsWith('it') || this.fault.endsWith('acted')) await work();
    if (this.fault.startsWith('the call')) throw new SessionStoreError('test', operation, 'made to fail');
    this.isStopped = true;
    return stopped();
  }
}

const stopped = (): Promise<never> => new Promise(() => {});

class FaultyStore extends SessionStoreDecorator {
  constructor(
    store: SessionStore,
    private readonly calls: Calls,
  ) {
    super(store);
  }

  protected override call<T>(operation: SessionStoreOperation, work: () => T | PromiseLike<T>): Promise<T> {
    return this.calls.pass(operation, () => super.call(operation, work));
  }
}

/** An old store with a session, and a new one. */
class Stores {
  readonly #memory = new MemoryStore();
  readonly #old = new MapStore();
  readonly #new: [Map<string, SessionRecord>, Map<string, any>] = [new Map(), new Map()];
  readonly record: SessionRecord;

  constructor(private readonly isForeign: boolean) {
    const secretHash = isForeign ? NO_SECRET_HASH : 'h0';
    this.record = aRecord('s', { secretHash, data: { a: '1' }, groups: isForeign ? [] : ['g'] });
    if (isForeign) this.record.data['cookie'] = '{"maxAge":3600000}';
  }

  get source(): SessionStore {
    return this.isForeign ? fromExpressStore(this.#memory) : this.#old;
  }

  get target(): SessionStore {
    return new MapStore(...this.#new);
  }

  process(calls?: Calls, move = true): MigratingStore {
    const faulty = (store: SessionStore): SessionStore => (calls ? new FaultyStore(store, calls) : store);
    return new MigratingStore(faulty(this.target), {
      store: faulty(this.source),
      move,
      groupsOf: this.isForeign ? () => ['g'] : undefined,
      logger: { warn() {} },
    });
  }
}

type Work = (store: SessionStore, record: SessionRecord) => Promise<unknown>;

/** What a process does when its call goes wrong, and what must be true of the session after it has been repeated. */
const CASES: { what: string; work: Work; ends?: boolean; holds?: (found: SessionRecord) => void }[] = [
  { what: 'a read', work: (store) => store.read('s') },
  {
    what: 'an update',
    work: (store) => store.update({ id: 's' }, { set: { b: '2' } }),
    holds: ({ data }) => expect(data['b']).toBe('2'),
  },
  {
    what: 'a rotation',
    work: (store, { secretHash }) => store.rotate({ id: 's' }, secretHash, 'h1', 30_000),
    holds: ({ secretHash }) => expect(secretHash).toBe('h1'),
  },
  {
    what: 'a join',
    work: (store) => store.update({ id: 's' }, { join: ['h'] }),
    holds: ({ groups }) => expect(groups.toSorted()).toEqual(['g', 'h']),
  },
  { what: 'a destroy', work: (store) => store.destroy('s'), ends: true },
  { what: 'a clear', work: (store) => store.clear('g'), ends: true },
  { what: 'a regenerate', work: (store) => store.regenerate('s'), ends: true },
  {
    what: 'an end by expiry',
    work: (store) => store.update({ id: 's' }, { expiresAt: Date.now() - 1 }),
    ends: true,
  },
];

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => vi.useRealTimers());

const pass = (duration: number): void => void vi.setSystemTime(Date.now() + duration);

/** Does the work with each of its calls going wrong in turn, and then again in a process where none does. */
async function interruptEach(
  isForeign: boolean,
  fault: Fault,
  work: Work,
  then: (stores: Stores, what: string) => Promise<void>,
): Promise<number> {
  for (let wrong = 1; ; wrong++) {
    const stores = new Stores(isForeign);
    await stores.source.create(stores.record);
    const calls = new Calls(wrong, fault);
    const first = work(stores.process(calls), stores.record).catch(() => {});
    await Promise.race([first, eventually(() => calls.isStopped)]);
    if (calls.count < wrong) return wrong - 1;
    pass(3000);
    await work(stores.process(), stores.record);
    await then(stores, `${fault}: call ${wrong}`);
  }
}

describe.each([false, true])('a session of an express-session store: %s', (isForeign) => {
  describe.each(FAULTS)('when %s', (fault) => {
    it.each(CASES.filter(({ ends }) => !ends))(
      'at any call of $what, it is live afterwards, and keeps all',
      async ({ work, holds }) => {
        const calls = await interruptEach(isForeign, fault, work, async (stores, what) => {
          const found = await stores.process().read('s');
          expect(found?.data['a'], what).toBe('1');
          expect([found?.secretHash, found?.previous?.hash], what).toContain(stores.record.secretHash);
          if (found) holds?.(found);
          expect(await stores.process().count('g'), what).toBe(1);
        });
        expect(calls).toBeGreaterThan(2);
      },
    );

    it.each(CASES.filter(({ ends }) => ends))(
      'at any call of $what, it stays ended once that was repeated',
      async ({ work }) => {
        const calls = await interruptEach(isForeign, fault, work, async (stores, what) => {
          expect(await stores.process().read('s'), what).toBeUndefined();
          pass(TOMBSTONE_LIFETIME + 1000);
          expect(await stores.process().read('s'), `${what}, later`).toBeUndefined();
          expect(await stores.source.read('s'), `${what}, in the old store`).toBeUndefined();
        });
        expect(calls).toBeGreaterThan(2);
      },
    );
  });

  it('leaves nothing in the old store for long after its mover has stopped', async () => {
    await interruptEach(
      isForeign,
      'the process stops after it',
      (store) => store.read('s'),
      async (stores, what) => {
        pass(61_000);
        expect(await stores.process().read('s'), what).toBeDefined();
        await eventually(async () => (await stores.source.read('s')) === undefined);
      },
    );
  });

  it('is not revived by what its mover has left, when a group is cleared that it joined later', async () => {
    const read: Work = (store) => store.read('s');
    await interruptEach(isForeign, 'the process stops after it', read, async (stores, what) => {
      const store = stores.process();
      await store.update((await store.read('s'))!, { join: ['later'] });
      expect(await store.clear('later'), what).toBe(1);
      pass(TOMBSTONE_LIFETIME + 1000);
      expect(await store.read('s'), what).toBeUndefined();
    });
  });
});
