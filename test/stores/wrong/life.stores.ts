import {
  applyChange,
  applyRotation,
  type SessionChange,
  type SessionRecord,
} from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { pause, twoOf, type Create, type Rotate, type Update, type WrongStore } from './wrong.store.js';

/** Writes the hint back when the session is gone and the change is of the kind `is`. */
const revivesOn = (is: (change: SessionChange) => boolean) =>
  twoOf(
    class extends MapStore {
      override async update(...[record, change]: Update) {
        const result = await super.update(record, change);
        return result ?? (is(change) ? this.keep(applyChange(record, change)) : undefined);
      }
    },
  );

/** Writes a record that it read earlier, whatever became of the session. */
class SlowStore extends MapStore {
  override async update(...[record, change]: Update) {
    const found = this.live(record.id);
    await pause();
    return found && this.keep(applyChange(found, change));
  }
}

export const wrongInLife: WrongStore[] = [
  {
    name: 'keeps sessions to the process',
    make: () => [new MapStore(), new MapStore()],
    breaks: /^1 a session that one node creates/,
    says: /seen by the other node/,
  },
  {
    name: 'reads from a cache of its own',
    make: twoOf(
      class extends MapStore {
        private readonly cached = new Map<string, SessionRecord>();
        override async read(id: string) {
          const read = this.cached.get(id) ?? (await super.read(id));
          if (read) this.cached.set(id, read);
          return read;
        }
      },
    ),
    breaks:
      /^1 (an update by|a rotation by|a session that one node destroys|the sessions that one node clears)/,
    says: /read by the other node|gone for every node/,
  },
  {
    name: 'resolves an update to the given record, changed',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          return (await super.update(record, change)) && applyChange(record, change);
        }
      },
    ),
    breaks: /^1 an update resolves to/,
    says: /must resolve to the state of the session after it/,
  },
  {
    name: 'makes a session when it updates one that was never created',
    make: revivesOn(() => true),
    breaks: /^1 a session that was never created/,
    says: /was never created must resolve to undefined/,
  },
  {
    name: 'updates all sessions of a group at once',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const [group] = this.live(record.id)?.groups ?? [];
          const likeIt = group === undefined ? [] : this.members(group);
          for (const other of likeIt) this.keep(applyChange(other, change));
          return super.update(record, change);
        }
      },
    ),
    breaks: /^1 a change of one session/,
    says: /leave every other as it is/,
  },
  {
    name: 'resolves every destroy to true',
    make: twoOf(
      class extends MapStore {
        override async destroy(id: string) {
          await super.destroy(id);
          return true;
        }
      },
    ),
    breaks: /^1 a session that one node destroys|^5 destroy of an expired session/,
    says: /must resolve to false/,
  },
  {
    name: 'overwrites a session that has the id',
    make: twoOf(
      class extends MapStore {
        override async create(...[record]: Create) {
          if (this.live(record.id)?.secretHash !== record.secretHash) this.keep(record);
          return true;
        }
      },
    ),
    breaks: /^1 a create under an id in use/,
    says: /must reject/,
  },
  {
    name: 'rejects a create under an id in use after writing its groups',
    make: twoOf(
      class extends MapStore {
        override async create(...[record]: Create) {
          await super.update(record, { join: record.groups });
          return super.create(record);
        }
      },
    ),
    breaks: /^1 a create under an id in use/,
    says: /must change nothing/,
  },
  {
    name: 'lets two creates under one id race',
    make: twoOf(
      class extends MapStore {
        override async create(...[record]: Create) {
          const found = this.live(record.id);
          await pause();
          if (!found) this.sessions.delete(record.id);
          return super.create(record);
        }
      },
    ),
    breaks: /^1 of two racing creates/,
    says: /exactly one must succeed, but both did/,
  },
  {
    name: 'writes a repeated create again',
    make: twoOf(
      class extends MapStore {
        override async create(...[record]: Create) {
          if (this.live(record.id)?.secretHash !== record.secretHash) return super.create(record);
          this.keep(record);
          return true;
        }
      },
    ),
    breaks: /^1 a repeated create/,
    says: /a repeated create after an update must write nothing/,
  },
  {
    name: 'revives on a late update',
    make: revivesOn(({ set }) => set !== undefined),
    breaks: /^2 .* a late update/,
    says: /late update after a destroy must resolve to undefined/,
  },
  {
    name: 'revives on a late join',
    make: revivesOn(({ join }) => join !== undefined),
    breaks: /^2 .* a late join/,
    says: /late join after a destroy/,
  },
  {
    name: 'revives on a late add',
    make: revivesOn(({ add }) => add !== undefined),
    breaks: /^2 .* a late add/,
    says: /late add after a destroy/,
  },
  {
    name: 'revives on a late take',
    make: revivesOn(({ take }) => take !== undefined),
    breaks: /^2 .* a late take/,
    says: /late take after a destroy/,
  },
  {
    name: 'revives on a late touch',
    make: revivesOn(({ touch }) => touch !== undefined),
    breaks: /^2 .* a late touch/,
    says: /late touch after a destroy/,
  },
  {
    name: 'revives on a late use',
    make: revivesOn(({ seen }) => seen !== undefined),
    breaks: /^2 .* a late use/,
    says: /late use after a destroy/,
  },
  {
    name: 'revives on a late retirePrevious',
    make: revivesOn(({ retirePrevious }) => retirePrevious !== undefined),
    breaks: /^2 .* a late retirePrevious/,
    says: /late retirePrevious after a destroy/,
  },
  {
    name: 'revives on a late rotation',
    make: twoOf(
      class extends MapStore {
        override async rotate(...[record, presented, secretHash, grace]: Rotate) {
          return this.keep(applyRotation(record, presented, secretHash, grace, Date.now()))?.secretHash;
        }
      },
    ),
    breaks: /^2 .* a late rotation/,
    says: /late rotation after a destroy/,
  },
  {
    name: 'revives, unseen, on a late update it refuses',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const result = await super.update(record, change);
          if (!result) this.keep(applyChange(record, change));
          return result;
        }
      },
    ),
    breaks: /^2 .* a late (update|join|touch|retirePrevious)/,
    says: /a late .* after a destroy must/,
  },
  {
    name: 'revives a session that ends while it writes an update',
    make: twoOf(SlowStore),
    breaks: /^2 delete wins when a (destroy|clear) races/,
    says: /races a late \w+ must (win|destroy the session)/,
  },
  {
    name: 'revives a session that ends while it writes a rotation',
    make: twoOf(
      class extends MapStore {
        override async rotate(...[record, presented, secretHash, grace]: Rotate) {
          const found = this.live(record.id);
          await pause();
          return (
            found && this.keep(applyRotation(found, presented, secretHash, grace, Date.now()))?.secretHash
          );
        }
      },
    ),
    breaks: /^2 delete wins when a (destroy|clear) races/,
    says: /races a late rotation must (win|destroy the session)/,
  },
  {
    name: 'lets the last write win, with the whole record it was based on',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          return this.live(record.id) && this.keep(applyChange(record, change));
        }
      },
    ),
    breaks: /^3 (two changes|a change based on)/,
    says: /both be kept|must be kept with it|alter nothing|must find the session/,
  },
  {
    name: 'lets the first change of a name win',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const data = this.live(record.id)?.data ?? {};
          const set = Object.entries(change.set ?? {}).filter(([name]) => data[name] === record.data[name]);
          return super.update(record, { ...change, set: Object.fromEntries(set) });
        }
      },
    ),
    breaks: /^3 the later of two changes to the same name/,
    says: /the later of two changes to the same name from the same record must win/,
  },
  {
    name: 'loses one of two changes that race',
    make: twoOf(
      class extends SlowStore {
        override async update(...[record, change]: Update) {
          return this.live(record.id) && super.update(record, change);
        }
      },
    ),
    breaks: /^3 racing changes/,
    says: /changes that race must all be kept/,
  },
  {
    name: 'takes a session for expired because the record it is given says so',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          return record.expiresAt > Date.now() ? super.update(record, change) : undefined;
        }
      },
    ),
    breaks: /^3 a change based on a hand-made record/,
    says: /must find the session/,
  },
  {
    name: 'writes the names of a change before its groups and expiry',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, { set, remove, ...rest }]: Update) {
          await super.update(record, { set, remove });
          await pause();
          return super.update(record, rest);
        }
      },
    ),
    breaks: /^4 a read or a page sees all/,
    says: /all of a change or none/,
  },
  {
    name: 'removes names after it sets others',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, { remove, ...rest }]: Update) {
          await super.update(record, rest);
          await pause();
          return super.update(record, { remove });
        }
      },
    ),
    breaks: /^4 a read sees names/,
    says: /a name is set and another removed by one change/,
  },
  {
    name: 'joins the groups after it creates',
    make: twoOf(
      class extends MapStore {
        override async create(...[record]: Create) {
          const isCreated = await super.create({ ...record, groups: [] });
          await pause();
          await super.update(record, { join: record.groups });
          return isCreated;
        }
      },
    ),
    breaks: /^4 a session that a read shows/,
    says: /all its groups or none/,
  },
];
