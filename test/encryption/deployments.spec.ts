import { randomUUID } from 'node:crypto';
import { EncryptedStore, type SessionEncryptOptions, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { aKey } from './keys.js';

type Deployment = SessionEncryptOptions | undefined;

const [keys, next, groups] = [aKey(), aKey(), aKey()];

/** The deployments that the guide lists, until the sessions from before have expired. */
const SEQUENCES: [what: string, deployments: Deployment[]][] = [
  ['another key', [{ keys: [keys] }, { keys: [keys, next] }, { keys: [next, keys] }]],
  ['the first encryption', [undefined, { keys, groups, only: [] }, { keys, groups, acceptPlain: true }]],
  [
    'the end of encryption',
    [
      { keys, groups },
      { keys, groups, acceptPlain: true },
      { keys, groups, only: [] },
    ],
  ],
  [
    'fewer sealed properties',
    [
      { keys, groups },
      { keys, groups, acceptPlain: true },
      { keys, groups, only: ['user'] },
    ],
  ],
  [
    'more sealed properties',
    [
      { keys, groups, only: ['user'] },
      { keys, groups, acceptPlain: true },
    ],
  ],
  [
    'sealed groups',
    [{ keys }, { keys, acceptPlain: true }, { keys, groups, only: [] }, { keys, groups, acceptPlain: true }],
  ],
];

const pairs = SEQUENCES.flatMap(([what, deployments]) =>
  deployments.flatMap((reads, reader) =>
    deployments
      // All before it, and the next one, which some processes have already.
      .slice(0, reader + 2)
      .map((writes, writer) => ({ what, writer: writer + 1, reader: reader + 1, writes, reads })),
  ),
);

async function opened(name: string, options: Deployment, logged: string[] = []): Promise<SessionStore> {
  const inner = new ClusterStore({ name });
  const logger = { error: (line: string) => logged.push(line) };
  const store = options ? new EncryptedStore(inner, { ...options, logger }) : inner;
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

describe('on the way to', () => {
  it.each(pairs)(
    '$what, deployment $reader reads, counts and clears what deployment $writer has written',
    async ({ writes, reads }) => {
      const [name, logged] = [randomUUID(), [] as string[]];
      const writing = await opened(name, writes);
      const reading = await opened(name, reads, logged);
      const data = { user: '"ada"', count: '1' };
      await writing.create(aRecord('k', { data, groups: ['g'], label: 'Home' }));
      await writing.update({ id: 'k' }, { set: { later: '2' }, join: ['h'] });

      const { data: texts, groups: names, label } = (await reading.read('k'))!;
      expect({ ...texts }).toEqual({ ...data, later: '2' });
      expect(names.toSorted()).toEqual(['g', 'h']);
      expect(label).toBe('Home');
      expect(await reading.count('g')).toBe(1);
      expect((await reading.page({ group: 'h', limit: 10 })).records.map(({ id }) => id)).toEqual(['k']);

      await reading.create(aRecord('n'));
      const join = await reading.joinLimited({ id: 'n' }, { group: 'g', max: 1, whenFull: 'end-oldest' });
      expect(join.is === 'joined' && join.ended.map(({ id }) => id)).toEqual(['k']);
      expect(await reading.clear('g')).toBe(1);
      expect(await writing.count()).toBe(0);
      expect(logged).toEqual([]);
    },
  );
});

it('the short way to fewer sealed properties loses values in processes that seal more', async () => {
  const [name, logged] = [randomUUID(), [] as string[]];
  const writing = await opened(name, { keys, only: ['user'] });
  const reading = await opened(name, { keys }, logged);
  await writing.create(aRecord('k', { data: { count: '1' } }));
  expect((await reading.read('k'))!.data['count']).toBeUndefined();
  expect(logged[0]).toContain('is in plain text');
});
