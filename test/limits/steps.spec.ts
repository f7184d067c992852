import { randomUUID } from 'node:crypto';
import { SessionStoreError, type SessionGroupLimit, type SessionWhenFull } from 'nestjs-session-stores/store';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { serveApp, tokenOf, type Handler, type TestApp } from '../http/app.js';
import { aRecord } from '../record.js';
import { SteppedStore } from './stepped.store.mjs';

/** The steps of a join that ends two sessions. */
const STEPS = ['page', 'update', 'page', 'destroy', 'destroy', 'update'];

const NUMBERS = STEPS.map((_, at) => at + 1);

let store: SteppedStore;

beforeEach(async () => {
  store = new SteppedStore(new RedisStore({ ...inject('redis'), prefix: `${randomUUID()}:` }));
  await store.open();
  onTestFinished(() => store.close());
});

/** Creates a session, and joins it. */
async function join(id: string, limit: SessionGroupLimit): Promise<string> {
  const record = aRecord(id);
  await store.create(record);
  return (await store.joinLimited(record, limit)).is;
}

async function idsIn(group: string): Promise<string[]> {
  const { records } = await store.page({ group, limit: 100 });
  return records.map(({ id }) => id).toSorted();
}

/** Lets the store fail at a step, once. */
function failAt(step: number): void {
  store.steps = [];
  store.before = (name, number) => {
    if (number === step) throw new SessionStoreError('stepped', 'joinLimited', `made to fail at ${name}`);
  };
}

const cases = STEPS.flatMap((name, at) =>
  ['g', ''].map((group): [string, number, string] => [name, at + 1, group]),
);

describe.each(cases)('a join that fails at its %s (step %i), in the group "%s"', (name, step, group) => {
  const limit = (max: number, whenFull: SessionWhenFull = 'end-oldest'): SessionGroupLimit => ({
    group,
    max,
    whenFull,
  });

  it('ends what is too many when the same session joins again', async () => {
    for (const id of ['a', 'b', 'c']) await join(id, limit(3));
    failAt(step);
    await expect(join('d', limit(2))).rejects.toThrow(`made to fail at ${name}`);
    store.before = () => {};
    expect((await store.joinLimited({ id: 'd' }, limit(2))).is).toBe('joined');
    expect(await idsIn(group)).toEqual(['c', 'd']);
    expect((await store.read('d'))!.joining).toBeUndefined();
  });

  it('ends what is too many when another session joins', async () => {
    for (const id of ['a', 'b', 'c']) await join(id, limit(3));
    failAt(step);
    await expect(join('d', limit(2))).rejects.toThrow(`made to fail at ${name}`);
    store.before = () => {};
    expect(await join('e', limit(2))).toBe('joined');
    expect(await idsIn(group)).toEqual(step > 2 ? ['d', 'e'] : ['c', 'e']);
  });
});

describe('a join in steps', () => {
  const limit = (max: number, whenFull: SessionWhenFull = 'end-oldest'): SessionGroupLimit => ({
    group: 'g',
    max,
    whenFull,
  });

  it('takes the steps that these tests disturb', async () => {
    for (const id of ['a', 'b', 'c']) await join(id, limit(3));
    store.steps = [];
    await join('d', limit(2));
    expect(store.steps).toEqual(STEPS);
  });

  it('leaves a group that has become full meanwhile, with reject', async () => {
    await join('a', limit(2));
    store.steps = [];
    store.before = async (_, number) => {
      if (number === 2) for (const id of ['b', 'c']) await store.create(aRecord(id, { groups: ['g'] }));
    };
    expect(await join('d', limit(2, 'reject'))).toBe('full');
    expect(await idsIn('g')).toEqual(['a', 'b', 'c']);
    const { groups, joining } = (await store.read('d'))!;
    expect({ groups, joining }).toEqual({ groups: [], joining: undefined });
  });

  it.each(NUMBERS)(
    'whose group is cleared before step %i leaves no session in it that others do not see',
    async (step) => {
      for (const id of ['a', 'b', 'c']) await join(id, limit(3));
      store.steps = [];
      store.before = async (_, number) => {
        if (number === step) await store.clear('g');
      };
      const outcome = await join('d', limit(2));
      expect({ outcome, ids: await idsIn('g') }).toEqual(
        // It had joined before the clear from step 3 on.
        step < 3 ? { outcome: 'joined', ids: ['d'] } : { outcome: 'gone', ids: [] },
      );
    },
  );

  it.each(NUMBERS)('whose session is destroyed before step %i is gone', async (step) => {
    for (const id of ['a', 'b', 'c']) await join(id, limit(3));
    store.steps = [];
    store.before = async (_, number) => {
      // Not through the decorator, whose destroy is a step.
      if (number === step) await store.update({ id: 'd' }, { expiresAt: 1 });
    };
    expect(await join('d', limit(2))).toBe('gone');
  });

  it('ends no session that leaves the group before the second look', async () => {
    for (const id of ['a', 'b']) await join(id, limit(2));
    store.steps = [];
    store.before = async (_, number) => {
      if (number === 3) await store.update({ id: 'a' }, { leave: ['g'] });
    };
    expect(await join('c', limit(2))).toBe('joined');
    expect(await idsIn('g')).toEqual(['b', 'c']);
    expect(await store.read('a')).toBeDefined();
  });

  it('of two sessions that both see each other, the one that joined later stays', async () => {
    let second: Promise<string> | undefined;
    store.before = async (_, number) => {
      // Both have joined when the first looks again.
      if (number === 3) second = join('b', limit(1));
      if (number === 3) await second;
    };
    store.steps = [];
    expect(await join('a', limit(1))).toBe('gone');
    expect(await second).toBe('joined');
    expect(await idsIn('g')).toEqual(['b']);
  });
});

describe('a login whose join fails in the middle', () => {
  const limit = { max: 1, whenFull: 'end-oldest' } as const;
  const handlers: Record<string, Handler> = {
    '/login': async (session) => {
      await session.regenerate();
      await session.joinGroup('user:1', limit);
    },
    '/caught': async (session) => {
      await session.regenerate();
      session['user'] = 'ann';
      await session.joinGroup('user:1', limit).catch(() => {});
    },
    '/caught/ended': async (session) => {
      await session.joinGroup('user:1', limit).catch(() => session.destroy());
    },
    '/twice': async (session) => {
      await session.joinGroup('user:1', limit).catch(() => session.joinGroup('user:1', limit));
    },
  };
  const start = async (): Promise<TestApp> => {
    const app = await serveApp(handlers, { store });
    await app.browser().post('/login');
    // At the end of the excess: the newcomer is in the group, as one too many.
    failAt(4);
    return app;
  };

  it.each(['/login', '/caught'])(
    'gives its client no token, also if the handler catches the error (%s)',
    async (path) => {
      const app = await start();
      const response = await app.browser().post(path);
      expect({ status: response.status, cookies: response.setCookies }).toEqual({ status: 503, cookies: [] });
      expect(response.json()['message']).toContain('made to fail at destroy');
    },
  );

  it('succeeds if the handler joins again', async () => {
    const app = await start();
    const browser = app.browser();
    expect((await browser.post('/twice')).status).toBe(200);
    expect(await idsIn('user:1')).toEqual([tokenOf(browser).id]);
  });

  it('succeeds without a session if the handler destroys it', async () => {
    const app = await start();
    const browser = app.browser();
    const { status } = await browser.post('/caught/ended');
    expect({ status, cookies: [...browser.cookies] }).toEqual({ status: 200, cookies: [] });
    expect(await store.count('user:1')).toBe(1);
  });
});

describe('a login again, of a session whose group is cleared meanwhile', () => {
  it('is rejected with 401, and leaves no session', async () => {
    const app = await serveApp(
      {
        '/login': async (session) => {
          await session.regenerate();
          await session.joinGroup('user:1', { max: 2, whenFull: 'end-oldest' });
        },
      },
      { store },
    );
    const browser = app.browser();
    await browser.post('/login');
    store.steps = [];
    store.before = async (_, number) => {
      // Its session was regenerated, and the successor is created, but not in the group yet.
      if (number === 1) await store.clear('user:1');
    };
    expect((await browser.post('/login')).status).toBe(401);
    expect(await idsIn('user:1')).toEqual([]);
  });
});
