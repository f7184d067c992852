import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { MigratingStore, type SessionRecord, type SessionStore } from 'nestjs-session-stores/store';
import { describe, it } from 'vitest';
import { MapStore } from '../stores/map.store.js';

type Law = (typeof sessionStoreLaws)[number];

/** Makes two handles of one migration. `old` and `target` make a handle of each store. */
type Handles = (old: () => SessionStore, target: () => SessionStore) => [SessionStore, SessionStore];

/**
 * What does not hold between a process that moves sessions and one that does not yet. A session that moves during an `add`
 * or a `take` makes it reject; one id is not created twice at once, because ids are random; and changes to a session that
 * the process has never used are not announced to it.
 */
const notMixed = ({ name }: Law): boolean =>
  /^1 of two racing creates|^2 delete wins when|^3 .*\b(adds?|takes?)\b|^9 whatever was acknowledged/.test(
    name,
  );

/** Creates sessions as a process that does not move them, so that all that is done to them begins with a move. */
class LateStore extends MigratingStore {
  readonly #early: MigratingStore;

  constructor(target: SessionStore, old: SessionStore) {
    super(target, { store: old, move: true });
    this.#early = new MigratingStore(target, { store: old, move: false });
  }

  protected override doCreate(record: SessionRecord): Promise<boolean> {
    return this.#early.create(record);
  }
}

const WAYS: [what: string, handles: Handles, laws?: (law: Law) => boolean][] = [
  [
    'that moves sessions',
    (old, target) => both(() => new MigratingStore(target(), { store: old(), move: true })),
  ],
  [
    'that does not move sessions yet',
    (old, target) => both(() => new MigratingStore(target(), { store: old(), move: false })),
  ],
  ['whose sessions all have to move', (old, target) => both(() => new LateStore(target(), old()))],
  [
    'of which one process moves sessions and another does not yet',
    (old, target) => [
      new MigratingStore(target(), { store: old(), move: false }),
      new MigratingStore(target(), { store: old(), move: true }),
    ],
    (law) => !notMixed(law),
  ],
];

function both<T>(make: () => T): [T, T] {
  return [make(), make()];
}

describe.each(WAYS)('a migration %s', (_, handles, laws = () => true) => {
  it.concurrent.each(sessionStoreLaws.filter(laws))('keeps the law: $name', async (law) => {
    const [old, target] = both((): ConstructorParameters<typeof MapStore> => [new Map(), new Map()]);
    const stores = handles(
      () => new MapStore(...old),
      () => new MapStore(...target),
    );
    try {
      for (const store of stores) await store.open();
      await law.holds(stores);
    } finally {
      for (const store of stores) await store.close();
    }
  });
});
