import {
  SessionStore,
  SessionWriteQueue,
  applyWrites,
  type Deadline,
  type SessionChange,
  type SessionRecord,
  type SessionRef,
  type SessionUpdate,
  type SessionWrite,
  type SessionWriteResult,
  type SessionWriteTurn,
} from 'nestjs-session-stores/store';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';

class Spoiled extends Error {}

/** A store whose writes are held until they are let go, unless they are not held. */
class QueueingStore extends SessionStore {
  /** What was sent: the names that each turn sets. */
  readonly sent: string[][] = [];
  isHeld = true;
  readonly queue = new SessionWriteQueue({
    send: (turn) => this.send(turn),
    mayBeOfOne: (error) => error instanceof Spoiled,
    isLast: (write) => namesOf(write).includes('last'),
  });
  private readonly gates: (() => void)[] = [];
  private readonly sessions = new Map<string, SessionRecord>();

  constructor(timeout?: number) {
    super('queueing', timeout);
  }

  protected override doUpdate(ref: SessionRef, change: SessionChange, deadline: Deadline) {
    return this.queue.update(ref, change, deadline);
  }

  protected override doRotate(
    ref: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): Promise<string | undefined> {
    return this.queue.rotate(ref, presented, secretHash, grace, deadline);
  }

  protected override doCreate(record: SessionRecord): boolean {
    this.sessions.set(record.id, record);
    return true;
  }

  protected override doRead(id: string): SessionRecord | undefined {
    return this.sessions.get(id);
  }

  protected override doDestroy(id: string): boolean {
    return this.sessions.delete(id);
  }

  protected override doRegenerate(): never {
    throw new Error('not needed');
  }

  protected override doHaveEnded(): never {
    throw new Error('not needed');
  }

  protected override doPage(): never {
    throw new Error('not needed');
  }

  protected override doCount(): never {
    throw new Error('not needed');
  }

  protected override doClear(): never {
    throw new Error('not needed');
  }

  /** Lets the oldest turn go that is held. */
  async letGo(): Promise<void> {
    const gate = await eventually(() => this.gates.shift() ?? false);
    if (gate) gate();
  }

  private async send({ id, calls, deadline }: SessionWriteTurn): Promise<SessionWriteResult[]> {
    const writes = calls.map(({ write }) => write);
    this.sent.push(writes.flatMap(namesOf));
    if (this.isHeld) await new Promise<void>((resolve) => void this.gates.push(resolve));
    if (deadline.isOver) throw new Error('too late');
    if (writes.some((write) => namesOf(write).includes('spoiled'))) throw new Spoiled('spoiled');
    if (writes.some((write) => namesOf(write).includes('broken'))) throw new Error('broken');
    const found = this.sessions.get(id);
    if (!found) return writes.map(() => undefined);
    const { record, results } = applyWrites(found, writes, this.now());
    this.sessions.set(id, record);
    return results;
  }
}

function namesOf(write: SessionWrite): string[] {
  return 'change' in write ? Object.keys(write.change.set ?? {}) : [write.rotation.secretHash];
}

async function aStore(timeout?: number): Promise<QueueingStore> {
  const store = new QueueingStore(timeout);
  await store.open();
  await store.create(aRecord('k', { data: {} }));
  return store;
}

const ref: SessionRef = { id: 'k' };
const setting = (name: string, more: SessionChange = {}): SessionChange => ({
  set: { [name]: '1' },
  ...more,
});

describe('writes to one session', () => {
  it('are sent at once if none is in progress', async () => {
    const store = await aStore();
    store.isHeld = false;
    await store.update(ref, setting('a'));
    await store.update(ref, setting('b'));
    expect(store.sent).toEqual([['a'], ['b']]);
  });

  it('that wait are sent together, in order, each with its own result', async () => {
    const store = await aStore();
    const [soon, later] = [Date.now() + 60_000, Date.now() + 120_000];
    const { expiresAt } = (await store.read('k'))!;
    const all = Promise.all<SessionUpdate | string | undefined>([
      store.update(ref, setting('a')),
      store.update(ref, setting('b', { expiresAt: soon })),
      store.rotate(ref, 'secretHash', 'rotated', 0),
      store.update(ref, setting('c', { touch: { from: soon, to: later } })),
      store.update(ref, setting('d', { touch: { from: expiresAt, to: 1 } })),
    ]);
    await store.letGo();
    await store.letGo();
    expect(await all).toEqual([
      { expiresAt, secretHash: 'secretHash' },
      { expiresAt: soon, secretHash: 'secretHash' },
      'rotated',
      { expiresAt: later, secretHash: 'rotated' },
      { expiresAt: later, secretHash: 'rotated' },
    ]);
    expect(store.sent).toEqual([['a'], ['b', 'rotated', 'c', 'd']]);
  });

  it('do not wait for writes to another session', async () => {
    const store = await aStore();
    await store.create(aRecord('other'));
    void store.update(ref, setting('a'));
    void store.update({ id: 'other' }, setting('b'));
    await eventually(() => expect(store.sent).toEqual([['a'], ['b']]));
  });

  it('find the session gone if it was destroyed while they waited, and do not delay the destroy', async () => {
    const store = await aStore();
    const all = Promise.all(['a', 'b', 'c'].map((name) => store.update(ref, setting(name))));
    expect(await store.destroy('k')).toBe(true);
    await store.letGo();
    await store.letGo();
    expect(await all).toEqual([undefined, undefined, undefined]);
    expect(await store.read('k')).toBeUndefined();
  });

  it('are sent in turns of at most 256, and of at most a million characters', async () => {
    const store = await aStore();
    const long = 'x'.repeat(400_000);
    const all = Promise.all([
      ...Array.from({ length: 301 }, (_, at) => store.update(ref, setting(`n${at}`))),
      ...['a', 'b', 'c'].map((name) => store.update(ref, { set: { [name]: long } })),
    ]);
    for (let turns = 0; turns < 4; turns++) await store.letGo();
    await all;
    expect(store.sent.map(({ length }) => length)).toEqual([1, 256, 46, 1]);
  });

  it('are sent in a new turn after a write that must be the last of its turn', async () => {
    const store = await aStore();
    const all = Promise.all(['a', 'b', 'last', 'c'].map((name) => store.update(ref, setting(name))));
    for (let turns = 0; turns < 3; turns++) await store.letGo();
    await all;
    expect(store.sent).toEqual([['a'], ['b', 'last'], ['c']]);
  });

  it('leave nothing in the queue when they are done, failed or late', async () => {
    const store = await aStore(50);
    store.isHeld = false;
    const names = ['a', 'b', 'broken', 'c'];
    await Promise.allSettled(names.map((name) => store.update(ref, setting(name))));
    store.isHeld = true;
    await Promise.allSettled(names.map((name) => store.update(ref, setting(name))));
    await store.letGo();
    await eventually(() => expect(Reflect.get(store.queue, 'lines')).toEqual(new Map()));
  });
});

describe('a write that fails', () => {
  it('fails alone, if the others would not have failed', async () => {
    const store = await aStore();
    const all = Promise.allSettled(
      ['a', 'b', 'spoiled', 'c'].map((name) => store.update(ref, setting(name))),
    );
    for (let turns = 0; turns < 5; turns++) await store.letGo();
    expect((await all).map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(store.sent).toEqual([['a'], ['b', 'spoiled', 'c'], ['b'], ['spoiled'], ['c']]);
    expect(Object.keys((await store.read('k'))!.data).toSorted()).toEqual(['a', 'b', 'c']);
  });

  it('together with others, because the backend failed, rejects each call with an error of its own', async () => {
    const store = await aStore();
    const all = Promise.allSettled<unknown>([
      store.update(ref, setting('a')),
      store.update(ref, setting('broken')),
      store.rotate(ref, 'secretHash', 'rotated', 0),
    ]);
    await store.letGo();
    await store.letGo();
    const [, ...failed] = await all;
    expect(failed).toMatchObject([
      { reason: { operation: 'update', cause: { message: 'broken' } } },
      { reason: { operation: 'rotate', cause: { message: 'broken' } } },
    ]);
  });
});

describe('a write that waits', () => {
  it('is rejected at its deadline, and not sent after it', async () => {
    const store = await aStore(100);
    const begun = performance.now();
    const all = Promise.allSettled(['a', 'b'].map((name) => store.update(ref, setting(name))));
    const outcomes = await all;
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(String((outcomes[1] as PromiseRejectedResult).reason)).toMatch('update: timed out after 100 ms');
    await store.letGo();
    store.isHeld = false;
    expect(await store.update(ref, setting('c'))).toBeDefined();
    expect(store.sent).toEqual([['a'], ['c']]);
  });

  it('waits for a turn that never settles only until the deadline of that turn', async () => {
    const store = await aStore(400);
    const first = store.update(ref, setting('a'));
    const begun = performance.now();
    await eventually(() => performance.now() - begun > 200);
    const second = store.update(ref, setting('b'));
    await expect(first).rejects.toThrow('timed out');
    // The first turn is still held; only the second is let go.
    await eventually(() => store.sent.length === 2);
    await store.letGo();
    await store.letGo();
    expect(await second).toBeDefined();
  });

  it('is not sent together with a write that has much less time left', async () => {
    const store = await aStore(1000);
    void store.update(ref, setting('a'));
    const second = store.update(ref, setting('b'));
    const begun = performance.now();
    await eventually(() => performance.now() - begun > 700);
    const third = store.update(ref, setting('c'));
    for (let turns = 0; turns < 3; turns++) await store.letGo();
    await Promise.all([second, third]);
    expect(store.sent).toEqual([['a'], ['b'], ['c']]);
  });
});

describe('applyWrites', () => {
  const record: SessionRecord = aRecord('k', { data: { a: '1' }, expiresAt: 1_000 });

  it('applies nothing after a write that ends the session', () => {
    const writes: SessionWrite[] = [
      { change: { set: { b: '2' } } },
      { change: { expiresAt: 10 } },
      { change: { expiresAt: 2_000 } },
      { rotation: { presented: 'secretHash', secretHash: 'other', grace: 0 } },
    ];
    const applied = applyWrites(record, writes, 10);
    expect(applied.results).toEqual([
      { expiresAt: 1_000, secretHash: 'secretHash' },
      undefined,
      undefined,
      undefined,
    ]);
    expect(applied.record).toMatchObject({
      data: { a: '1', b: '2' },
      expiresAt: 10,
      secretHash: 'secretHash',
    });
  });

  it('lets one of several rotations win, and returns its secret hash to the others', () => {
    const rotations = ['one', 'other'].map((secretHash) => ({
      rotation: { presented: 'secretHash', secretHash, grace: 100 },
    }));
    expect(applyWrites(record, rotations, 10).results.map((result) => result?.secretHash)).toEqual([
      'one',
      'one',
    ]);
  });
});
