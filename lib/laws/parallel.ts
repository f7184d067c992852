import type { SessionChange, SessionUpdate } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import type { SessionStoreLaw } from './law.js';
import { GRACE, aRecord, aSecretHash, equals, inMinutes, must, rounds, show, upTo } from './vocabulary.js';

/** How many changes of one session each store makes in parallel. */
const MANY = 100;

/** How many they make together in a race that is repeated: more than a store sends in parallel. */
const SOME = 20;

/** Makes changes of one session, alternately on two stores and all of them in parallel. None may fail. */
async function allAtOnce(
  stores: readonly [SessionStore, SessionStore],
  id: string,
  changes: SessionChange[],
  promise: string,
): Promise<(SessionUpdate | undefined)[]> {
  // As hand-made records and as records that were read.
  const refs = [{ id }, await stores[1].read(id)] as const;
  const outcomes = await Promise.allSettled(
    changes.map((change, at) =>
      stores[at % 2 === 0 ? 0 : 1].update(refs[at % 3 === 0 ? 0 : 1] ?? { id }, change),
    ),
  );
  return outcomes.map((outcome, at) => {
    must(
      outcome.status === 'fulfilled',
      `${promise}: of ${changes.length} the change ${at} failed with ${show((outcome as PromiseRejectedResult).reason)}`,
    );
    return outcome.value;
  });
}

export const parallelLaws: SessionStoreLaw[] = [
  {
    name: '3 many parallel changes of one session are all acknowledged, and all kept',
    async holds(stores) {
      const rule = 'parallel changes of one session must all be acknowledged';
      const record = aRecord();
      await stores[0].create(record);
      const names = upTo(2 * MANY).map((at) => `n${at}`);
      const changes = names.map((name) => ({
        set: { [name]: '1', last: JSON.stringify(name) },
        join: [name],
      }));
      const updates = await allAtOnce(stores, record.id, changes, rule);
      equals(
        updates.filter((update) => update?.secretHash !== record.secretHash),
        [],
        `${rule}; the results without the secret hash of the session`,
      );
      const read = await stores[1].read(record.id);
      const { last, ...others } = { ...read?.data };
      equals(
        names.filter((name) => others[name] !== '1' || !read?.groups.includes(name)),
        [],
        'parallel changes of one session must all be kept; those that are lost',
      );
      must(
        names.some((name) => last === JSON.stringify(name)),
        `of parallel changes of one name, one must win, but its text is ${show(last)}`,
      );
    },
  },
  {
    name: '1 each of many parallel updates resolves to the state of the session after it, not after the others',
    async holds(stores) {
      const rule = 'each of parallel updates must resolve to the state of the session after it';
      await rounds(async (round) => {
        const record = aRecord();
        const [here, there] = stores;
        await here.create(record);
        const expiries = upTo(2 * SOME).map((at) => inMinutes(70 + at));
        const [set, touched] = [expiries.slice(0, SOME), expiries.slice(SOME)];
        const secretHash = aSecretHash();
        const touch = (to: number): SessionChange => ({ touch: { from: record.expiresAt, to } });
        if (round % 2 === 0) {
          const updates = await allAtOnce(
            stores,
            record.id,
            set.map((expiresAt) => ({ expiresAt })),
            rule,
          );
          equals(
            updates.map((update) => update?.expiresAt),
            set,
            `${rule}: the expiry that it set`,
          );
          const read = await there.read(record.id);
          must(
            set.includes(read?.expiresAt ?? NaN),
            `of parallel expiries one must win, and not ${show(read?.expiresAt)}`,
          );
          return;
        }
        const [updates, current] = await Promise.all([
          allAtOnce(stores, record.id, touched.map(touch), rule),
          there.rotate(record, record.secretHash, secretHash, GRACE),
        ]);
        const read = await here.read(record.id);
        must(
          touched.includes(read?.expiresAt ?? NaN),
          `of touches that race, one must win, and not ${show(read?.expiresAt)}`,
        );
        equals(
          updates.map((update) => update?.expiresAt),
          touched.map(() => read?.expiresAt),
          `${rule}: the expiry that the first touch set`,
        );
        equals(current, secretHash, 'a rotation beside updates must resolve to its secret hash');
        must(
          updates.every((update) => [secretHash, record.secretHash].includes(update?.secretHash ?? '')),
          `${rule}: the secret hash before or after the rotation, and not ${show(updates)}`,
        );
      });
    },
  },
  {
    name: '2 delete wins when an expiry in the past races later expiries',
    async holds(stores) {
      await rounds(async (round) => {
        const record = aRecord({ groups: ['g'] });
        await stores[0].create(record);
        const past = inMinutes(-1);
        const changes: SessionChange[] = upTo(SOME).map((at) => ({
          set: { a: '1' },
          expiresAt: inMinutes(70 + at),
        }));
        changes.splice(round % changes.length, 0, { expiresAt: past });
        const rule = 'an expiry in the past must end the session for changes that race it';
        const updates = await allAtOnce(stores, record.id, changes, rule);
        equals(updates[changes.findIndex(({ expiresAt }) => expiresAt === past)], undefined, rule);
        const read = (await stores[0].read(record.id)) ?? (await stores[1].read(record.id));
        equals(read?.id, undefined, `${rule}; the id still read`);
      });
      equals(await stores[1].count('g'), 0, 'a session that an expiry ended in a race must not be counted');
    },
  },
];
