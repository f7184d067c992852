import { setTimeout } from 'node:timers/promises';
import type { SessionStoreLaw } from './law.js';
import { aRecord, bothWays, equals, inAnHour, must, show } from './vocabulary.js';

/** The lifetime of a session whose expiry a law waits for, in milliseconds. */
const SHORT = 150;
/** The lifetime of a session that must not expire while it is created and read, in milliseconds. */
const LONG = 30_000;

export const clockLaws: SessionStoreLaw[] = [
  {
    name: '5 a session that has expired by the clock of one node is gone for every node',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const record = aRecord({ groups: ['g'], expiresAt: here.now() + SHORT });
        await here.create(record);
        while (here.now() < record.expiresAt) await setTimeout(record.expiresAt - here.now());
        for (const store of [here, there]) {
          const read = await store.read(record.id);
          equals(
            read?.id,
            undefined,
            'a session must be gone once `now` has reached its expiry; the id still read',
          );
        }
      }
    },
  },
  {
    name: '5 a session that has not expired by the clock of one node is live for every node',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const now = here.now();
        must(Number.isInteger(now), `\`now\` must be in whole milliseconds: it is ${show(now)}`);
        const created = aRecord({ createdAt: now, expiresAt: now + LONG });
        const updated = aRecord({ createdAt: now, expiresAt: inAnHour() });
        await here.create(created);
        await here.create(updated);
        await here.update(updated, { expiresAt: here.now() + LONG });
        for (const { id } of [created, updated]) {
          for (const store of [here, there]) {
            const read = await store.read(id);
            equals(read?.id, id, 'a session must be live until `now` has reached its expiry; the id read');
          }
        }
      }
    },
  },
];
