import {
  SessionStoreError,
  applyChange,
  type SessionChange,
  type SessionRecord,
  type SessionUpdate,
} from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { pause, twoOf, type Update, type WrongStore } from './wrong.store.js';

/** Writes a session only if it is still as it was read, and otherwise tries again, a few times. */
class ImpatientStore extends MapStore {
  override async update(...[{ id }, change]: Update): Promise<SessionUpdate | undefined> {
    for (let tries = 0; tries < 10; tries++) {
      const found = this.live(id);
      await pause();
      if (this.live(id) === found) return found && this.keep(applyChange(found, change));
    }
    throw new SessionStoreError('map', 'update', 'others wrote the same session first');
  }
}

interface Merged {
  changes: SessionChange[];
  done: Promise<(SessionUpdate | undefined)[]>;
}

/** Applies together what comes within a while. */
abstract class MergingStore extends MapStore {
  private readonly merging = new Map<string, Merged>();

  override async update(...[{ id }, change]: Update): Promise<SessionUpdate | undefined> {
    const merged = this.merging.get(id) ?? this.begin(id);
    const at = merged.changes.push(change) - 1;
    return (await merged.done)[at];
  }

  private begin(id: string): Merged {
    const changes: SessionChange[] = [];
    const done = pause().then(() => {
      this.merging.delete(id);
      const found = this.live(id);
      return found ? this.merge(found, changes) : changes.map(() => undefined);
    });
    const merged = { changes, done };
    this.merging.set(id, merged);
    return merged;
  }

  protected abstract merge(record: SessionRecord, changes: SessionChange[]): (SessionUpdate | undefined)[];
}

export const wrongInParallel: WrongStore[] = [
  {
    name: 'gives up a change that others have overtaken a few times',
    make: twoOf(ImpatientStore),
    breaks: /^3 many parallel changes/,
    says: /must all be acknowledged: of 200 the change \d+ failed with SessionStoreError/,
  },
  {
    name: 'overwrites parallel changes with a record that it read earlier',
    make: twoOf(
      class extends MapStore {
        override async update(...[{ id }, change]: Update) {
          const found = this.live(id);
          await pause();
          return found && this.keep(applyChange(found, change));
        }
      },
    ),
    breaks: /^3 many parallel changes/,
    says: /must all be kept; those that are lost/,
  },
  {
    name: 'merges parallel updates, and resolves all of them to what the session has in the end',
    make: twoOf(
      class extends MergingStore {
        protected override merge(record: SessionRecord, changes: SessionChange[]) {
          const update = this.keep(changes.reduce(applyChange, record));
          return changes.map(() => update);
        }
      },
    ),
    breaks: /^1 each of many parallel updates/,
    says: /must resolve to the state of the session after it: the expiry that it set/,
  },
  {
    name: 'merges parallel updates, and goes on after one that ends the session',
    make: twoOf(
      class extends MergingStore {
        protected override merge(record: SessionRecord, changes: SessionChange[]) {
          let current = record;
          const updates = changes.map((change) => {
            current = applyChange(current, change);
            return current.expiresAt > this.now() ? current : undefined;
          });
          this.keep(current);
          return updates;
        }
      },
    ),
    breaks: /^2 delete wins when an expiry in the past races/,
    says: /must end the session for changes that race it; the id still read/,
  },
];
