import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import type { SessionChange, SessionStore } from 'nestjs-session-stores/store';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { aRecord } from './record.js';

const TIMES = process.env['LONG'] ? 10 : 1;
/** How many changes each of two processes makes in parallel. */
const CHANGES = 500;

/** The stores of several processes, with options for sessions of their own. A cluster's have one primary. */
const STORES: [name: string, optionsOf: () => object, make: (options: object) => SessionStore][] = [
  ['redis', () => ({ ...inject('redis'), prefix: `${randomUUID()}:` }), (options) => new RedisStore(options)],
  [
    'mongo',
    () => ({ uri: inject('mongo').url, collection: randomUUID() }),
    (options) => new MongoStore(options),
  ],
  ['hazelcast', hazelcastOptions, (options) => new HazelcastStore(options as { config: object })],
];

function hazelcastOptions(): object {
  const { clusterName, members } = inject('hazelcast');
  const properties = { 'hazelcast.logging.level': 'OFF' };
  return { config: { clusterName, network: { clusterMembers: members }, properties }, prefix: randomUUID() };
}

interface Report {
  acknowledged: number;
  errors: string[];
}

/** A process with a store of its own. Resolves to what makes changes there, all of them in parallel. */
async function aProcess(
  name: string,
  options: object,
): Promise<(id: string, changes: SessionChange[]) => Promise<Report>> {
  const args = [name, JSON.stringify(options)];
  const child = fork(join(import.meta.dirname, 'parallel.process.mjs'), args, { execArgv: [] });
  onTestFinished(async () => {
    const gone = once(child, 'exit');
    child.disconnect();
    await gone;
  });
  await once(child, 'message');
  return async (id, changes) => {
    child.send({ id, changes });
    const [report] = (await once(child, 'message')) as [Report];
    return report;
  };
}

const names = Array.from({ length: 2 * CHANGES }, (_, index) => `n${index}`);

describe.each(STORES)(
  'parallel changes of one session from two processes, on %s',
  (name, optionsOf, make) => {
    it(
      'are all acknowledged within the timeout, and all kept',
      async () => {
        const options = optionsOf();
        const store = make(options);
        await store.open();
        onTestFinished(() => store.close());
        const processes = await Promise.all([aProcess(name, options), aProcess(name, options)]);
        for (let time = 0; time < TIMES; time++) {
          const id = `parallel-${time}`;
          await store.create(aRecord(id, { data: {} }));
          const reports = await Promise.all(
            processes.map((change, at) => {
              const own = names.filter((_, index) => index % 2 === at);
              return change(
                id,
                // Each sets a property of its own, and one that all of them set.
                own.map((property) => ({ set: { [property]: '1', last: JSON.stringify(property) } })),
              );
            }),
          );
          const all = { acknowledged: CHANGES, errors: [] };
          expect(reports).toEqual([all, all]);
          const { last, ...data } = (await store.read(id))!.data;
          expect(Object.keys(data).toSorted()).toEqual(names.toSorted());
          expect(names).toContain(JSON.parse(last!));
        }
      },
      TIMES * 20_000,
    );

    it('that add to one property are all counted', async () => {
      const options = optionsOf();
      const store = make(options);
      await store.open();
      onTestFinished(() => store.close());
      const processes = await Promise.all([aProcess(name, options), aProcess(name, options)]);
      await store.create(aRecord('counted', { data: {} }));
      const adds = Array.from({ length: CHANGES }, () => ({ add: { name: 'visits', by: 1 } }));
      const reports = await Promise.all(processes.map((change) => change('counted', adds)));
      const all = { acknowledged: CHANGES, errors: [] };
      expect(reports).toEqual([all, all]);
      expect((await store.read('counted'))!.data).toEqual({ visits: String(2 * CHANGES) });
    }, 20_000);
  },
);
