import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { MigratingStore, type SessionRecord, type SessionStore } from 'nestjs-session-stores/store';
import { describe, it } from 'vitest';
import { MapStore } from '../stores/map.store.js';

/** Makes two handles of one migration. `old` and `new` make a handle of each store. */
type Ways = [
  what: string,
  handles: (old: () => SessionStore, target: () => SessionStore) => [SessionStore, SessionStore],
];

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

const WAYS: Ways[] = [
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
  ],
];

function both<T>(make: () => T): [T, T] {
  return [make(), make()];
}

describe.each(WAYS)('a migration %s', (_, handles) => {
  it.concurrent.each(sessionStoreLaws)('keeps the law: $name', async (law) => {
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
