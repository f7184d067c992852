import { setTimeout } from 'node:timers/promises';
import type { SessionFeedEvent, SessionWatch } from '../contract/feed.js';
import type { SessionChange, SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import {
  GRACE,
  aRecord,
  aSecretHash,
  bothWays,
  each,
  equals,
  inMinutes,
  must,
  show,
  upTo,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

/** How long a watch may take to say that it is complete, in milliseconds. */
const PATIENCE = 10_000;

type Type = 'changed' | 'rotated' | 'ended';

/** What is done to a session, and as what it may be announced. */
interface Act {
  what: string;
  type: Type;
  run(store: SessionStore, record: SessionRecord): Promise<unknown>;
}

const update =
  (change: SessionChange) =>
  (store: SessionStore, record: SessionRecord): Promise<unknown> =>
    store.update(record, change);

const ACTS: readonly Act[] = [
  { what: 'an update that sets data', type: 'changed', run: update({ set: { a: '2' } }) },
  { what: 'an update that removes data', type: 'changed', run: update({ remove: ['a'] }) },
  { what: 'an add', type: 'changed', run: update({ add: { name: 'a', by: 1 } }) },
  { what: 'a take', type: 'changed', run: update({ take: 'a' }) },
  { what: 'an update that joins a group', type: 'changed', run: update({ join: ['h'] }) },
  { what: 'an update that leaves a group', type: 'changed', run: update({ leave: ['g'] }) },
  {
    what: 'an update that moves the expiry earlier',
    type: 'changed',
    run: (store, record) => store.update(record, { expiresAt: inMinutes(1) }),
  },
  {
    what: 'a touch that moves the expiry earlier',
    type: 'changed',
    run: (store, record) => store.update(record, { touch: { from: record.expiresAt, to: inMinutes(1) } }),
  },
  {
    what: 'a join with a limit',
    type: 'changed',
    run: (store, record) => store.joinLimited(record, { group: 'i', max: 10_000, whenFull: 'end-oldest' }),
  },
  {
    what: 'a rotation',
    type: 'rotated',
    run: (store, record) => store.rotate(record, record.secretHash, aSecretHash(), GRACE),
  },
  {
    what: 'a rotation without a grace',
    type: 'rotated',
    run: (store, record) => store.rotate(record, record.secretHash, aSecretHash(), 0),
  },
  { what: 'a destroy', type: 'ended', run: (store, { id }) => store.destroy(id) },
  { what: 'a regeneration', type: 'ended', run: (store, { id }) => store.regenerate(id) },
  {
    what: 'an update with an expiry in the past',
    type: 'ended',
    run: (store, record) => store.update(record, { expiresAt: 1 }),
  },
  {
    what: 'a clear of a group',
    type: 'ended',
    run: (store, { groups }) => store.clear(groups[1]),
  },
  {
    what: 'the join of another session, for which it makes room',
    type: 'ended',
    run: async (store, { groups }) => {
      const newcomer = aRecord();
      await store.create(newcomer);
      await store.joinLimited(newcomer, { group: groups[1]!, max: 1, whenFull: 'end-oldest' });
    },
  },
];

export const feedLaws: SessionStoreLaw[] = [
  {
    name: '9 whatever was acknowledged is announced to every watcher, before the watcher counts as complete',
    holds: withFeed(async (stores) => {
      const ears = await each(stores, (store) => listen(store));
      for (const [here] of bothWays(stores)) {
        const done = await each(ACTS, async (act, index) => {
          const record = aRecord({ data: { a: '1' }, groups: ['g', `cleared ${index}`] });
          await here.create(record);
          await act.run(here, record);
          return { act, id: record.id };
        });
        for (const ear of ears) {
          await ear.complete();
          for (const { act, id } of done) checkHeard(ear, act, id, here);
        }
      }
      for (const { watch } of ears) watch.close();
    }),
  },
  {
    name: '9 a clear announces each session that it ends',
    holds: withFeed(async (stores) => {
      const ear = await listen(stores[1]);
      for (const group of ['g', undefined]) {
        const records = upTo(300).map(() => aRecord({ groups: ['g'] }));
        await each(records, (record) => stores[0].create(record));
        await stores[0].clear(group);
        await ear.complete();
        const silent = records.filter(({ id }) => ear.typesOf(id).length === 0);
        must(
          silent.length === 0,
          `a clear must announce each session that it ends: of 300, ${silent.length} were not announced`,
        );
      }
      ear.watch.close();
    }),
  },
  {
    name: '9 a listener that throws harms neither the write nor other listeners',
    holds: withFeed(async (stores) => {
      const wrong = await stores[0].watch(() => {
        throw new Error('thrown by the listener of a law');
      });
      const ear = await listen(stores[0]);
      const record = aRecord();
      await stores[0].create(record);
      const result = await stores[0].update(record, { set: { a: '1' } }).catch((error: unknown) => error);
      must(
        !(result instanceof Error) && result !== undefined,
        `a write must resolve whatever a listener does: it resolved to ${show(result)}`,
      );
      await ear.complete();
      equals(
        ear.typesOf(record.id),
        ['changed'],
        'another listener must hear of the change as if none had thrown',
      );
      wrong.close();
      ear.watch.close();
    }),
  },
  {
    name: '9 a closed watch hears nothing',
    holds: withFeed(async (stores) => {
      const closed = await listen(stores[0]);
      const open = await listen(stores[0]);
      closed.watch.close();
      closed.watch.close();
      const before = closed.heard.length;
      const record = aRecord();
      await stores[1].create(record);
      await stores[1].destroy(record.id);
      await open.complete();
      equals(closed.heard.slice(before), [], 'a closed watch must hear nothing');
      equals(closed.watch.completeUntil, -Infinity, 'a closed watch must not count as complete');
      open.watch.close();
      const again = await listen(stores[0]);
      await again.complete();
      again.watch.close();
    }),
  },
  {
    name: '9 a watch hears `live` first, and `lost` when its store is closed',
    holds: withFeed(async ([, store]) => {
      const ear = await listen(store);
      equals(ear.heard[0]?.type, 'live', 'the first event must be `live`');
      must(
        ear.watch.completeUntil <= performance.now(),
        'a watch cannot be complete until an instant that is not past',
      );
      await store.close();
      equals(ear.heard.at(-1)?.type, 'lost', 'a watch must hear `lost` when its store is closed');
      equals(ear.watch.completeUntil, -Infinity, 'a watch that has heard `lost` must not count as complete');
      await store.open();
      const again = await listen(store);
      await again.complete();
      equals(ear.heard.at(-1)?.type, 'lost', 'a watch must hear nothing after its store was closed');
    }),
  },
];

/** A watch, and what it has heard. */
interface Ear {
  watch: SessionWatch;
  heard: SessionFeedEvent[];
  /** As what a session was announced, each once. */
  typesOf(id: string): Type[];
  /** Waits until the watch says that it has heard of all that was acknowledged by now. */
  complete(): Promise<void>;
}

async function listen(store: SessionStore): Promise<Ear> {
  const heard: SessionFeedEvent[] = [];
  const watch = await store.watch((event) => heard.push(event));
  return {
    watch,
    heard,
    typesOf(id) {
      const types = heard.flatMap((event) => ('ids' in event && event.ids.includes(id) ? [event.type] : []));
      return [...new Set(types)];
    },
    async complete() {
      const now = performance.now();
      while (watch.completeUntil < now) {
        must(
          performance.now() < now + PATIENCE,
          `a watch must be complete again within ${PATIENCE} ms; it has heard ${show(heard.slice(-3))}`,
        );
        await setTimeout(5);
      }
    },
  };
}

function checkHeard(ear: Ear, { what, type }: Act, id: string, { capabilities }: SessionStore): void {
  const types = ear.typesOf(id);
  must(types.length > 0, `${what} must be announced before the watch counts as complete: it was not`);
  const allowed = capabilities.exactFeed === false ? [type, 'changed'] : [type];
  const wrong = types.filter((one) => !allowed.includes(one));
  equals(wrong, [], `${what} must be announced as \`${allowed.join('` or `')}\`, and as nothing else`);
}

/** A law of stores that have a feed. A store without one must say so when it is watched. */
function withFeed(holds: SessionStoreLaw['holds']): SessionStoreLaw['holds'] {
  return async (stores) => {
    const { feed } = stores[0].capabilities;
    if (feed === true) return holds(stores);
    const error = await stores[0]
      .watch(() => {})
      .then(
        () => undefined,
        (reason: unknown) => reason as Error,
      );
    must(
      typeof feed === 'string' && error?.name === 'SessionStoreError' && error.message.includes(feed),
      `a store without a feed must reject \`watch\` with the reason in its capabilities, ${show(feed)}: got ${show(error?.message)}`,
    );
  };
}
