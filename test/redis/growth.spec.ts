import { randomUUID } from 'node:crypto';
import { NEVER } from 'nestjs-session-stores/store';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { expect, it } from 'vitest';
import { aRecord } from '../record.js';
import { eventually } from '../eventually.js';
import { ownServer } from './own.server.js';

const { server, direct } = await ownServer();

const LONG = process.env['LONG'] !== undefined;
/** More sessions than one look at a list takes, with LONG. */
const COUNTS = LONG ? [3, 300] : [3];

/**
 * Runs `work` with a store, and waits until the server has removed all of its keys by itself. The notes of groups, which
 * outlive their sessions, may be left if they expire soon; with LONG they are waited for too.
 */
async function leavesNothing(work: (store: RedisStore) => Promise<unknown>): Promise<void> {
  const prefix = randomUUID();
  const store = new RedisStore({ url: server.url, prefix });
  await store.open();
  try {
    await work(store);
    expect(await direct.keys(`${prefix}*`)).not.toEqual([]);
    await eventually(async () => {
      const tombstone = `${prefix}{18}:s:never`;
      const isTombstone = (await direct.hexists(tombstone, 'ended')) === 1;
      const keys = await direct.keys(`${prefix}*`);
      const left = keys.filter((key) => key !== tombstone || !isTombstone);
      if (LONG) return left.length === 0;
      const times = await Promise.all(left.map((key) => direct.pttl(key)));
      // -1 is never, and -2 a key that has gone meanwhile.
      const areGoing = times.every((time) => time !== -1 && time <= 5000);
      return areGoing && left.every((key) => key.startsWith(`${prefix}{18}:m:`));
    });
  } finally {
    await store.close();
  }
}

const soon = () => Date.now() + 1000;

it.concurrent.each(COUNTS)(
  'nothing is left of %i expired sessions, whatever groups they were in',
  async (count) => {
    await leavesNothing(async (store) => {
      const records = Array.from({ length: count }, (_, at) =>
        aRecord(`k${at}`, { groups: ['all of them', `g${at % 7}`], expiresAt: soon() }),
      );
      await Promise.all(records.map((record) => store.create(record)));
      const some = records.slice(0, 9);
      await Promise.all(some.map((record) => store.update(record, { join: ['h'], leave: ['g1'] })));
      await Promise.all(
        some.map((record) => {
          const { expiresAt: from } = record;
          return store.update(record, { touch: { from, to: from + 50 } });
        }),
      );
    });
  },
);

const never = aRecord('never', { groups: ['g', 'its own'], expiresAt: NEVER });

const ends: Record<string, (store: RedisStore) => Promise<unknown>> = {
  'was destroyed': (store) => store.destroy('never'),
  'got an expiry': (store) => store.update(never, { expiresAt: soon() }),
  'was touched': (store) => store.update(never, { touch: { from: NEVER, to: soon() } }),
  'was expired': (store) => store.update(never, { expiresAt: 0 }),
  'was cleared': (store) => store.clear('its own'),
};

it.concurrent.each(
  Object.entries(ends).flatMap(([name, end]) => COUNTS.map((count) => [name, count, end] as const)),
)(
  'nothing is left when a session among them never expired and then %s (%i sessions)',
  async (_, count, end) => {
    await leavesNothing(async (store) => {
      const records = Array.from({ length: count }, (__, at) =>
        aRecord(`k${at}`, { groups: ['g'], expiresAt: soon() }),
      );
      await Promise.all([never, ...records].map((record) => store.create(record)));
      await end(store);
    });
  },
);

it.concurrent('nothing is left when a session that never expires left its groups and was destroyed', async () => {
  await leavesNothing(async (store) => {
    await store.create(aRecord('k', { groups: ['g'], expiresAt: soon() }));
    await store.create(never);
    await store.update(never, { leave: ['g', 'its own'] });
    await store.destroy('never');
  });
});

it.concurrent('indexes stay in proportion to the live sessions while sessions are created and expire', async () => {
  const prefix = randomUUID();
  const store = new RedisStore({ url: server.url, prefix });
  await store.open();
  try {
    await store.create(never);
    for (let round = 0; round < 5; round++) {
      const expiresAt = Date.now() + 50;
      const records = Array.from({ length: 200 }, (_, at) =>
        aRecord(`${round} ${at}`, { groups: ['g'], expiresAt }),
      );
      await Promise.all(records.map((record) => store.create(record)));
      await eventually(async () => (await store.count()) === 1);
    }
    const sizes = await Promise.all(
      ['all', 'expiry', 'g:g'].map((name) => direct.zcard(`${prefix}{18}:${name}`)),
    );
    for (const size of sizes) expect(size).toBeLessThan(500);
    expect(await store.count('g')).toBe(1);
    expect(await direct.zcard(`${prefix}{18}:g:g`)).toBe(1);
  } finally {
    await store.close();
  }
});

it('dead members of a big group go while other sessions are created, even if none joins the group', async () => {
  const prefix = randomUUID();
  const store = new RedisStore({ url: server.url, prefix });
  await store.open();
  try {
    await store.create(aRecord('stays', { groups: ['big'] }));
    const expiresAt = Date.now() + 500;
    const dying = Array.from({ length: 300 }, (_, at) => aRecord(`k${at}`, { groups: ['big'], expiresAt }));
    await Promise.all(dying.map((record) => store.create(record)));
    await eventually(async () => (await store.read('k0')) === undefined);
    for (let at = 0; at < 80; at++) await store.create(aRecord(`other ${at}`));
    expect(await direct.zrange(`${prefix}{18}:g:big`, '0', '-1')).toEqual(['stays']);
  } finally {
    await store.close();
  }
});
