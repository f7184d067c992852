import { MapStore } from '../map.store.js';
import { pause, twoOf, type Create, type Update, type WrongStore } from './wrong.store.js';

export const wrongInUse: WrongStore[] = [
  {
    name: 'keeps no label of a new session',
    make: twoOf(
      class extends MapStore {
        override async create(...[record]: Create) {
          const { label, ...others } = record;
          return label === undefined ? super.create(record) : super.create(others);
        }
      },
    ),
    breaks: /^1 a label, the clients/,
    says: /must be read as it was created: label is undefined/,
  },
  {
    name: 'sets an empty label instead of removing it',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const result = await super.update(record, change);
          const found = this.live(record.id);
          if (found && change.label === '') this.keep({ ...found, label: '' });
          return result;
        }
      },
    ),
    breaks: /^1 an update of the label/,
    says: /empty label must remove it: label is '' and not undefined/,
  },
  {
    name: 'replaces the first client by a later one',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const result = await super.update(record, change);
          const found = this.live(record.id);
          if (found?.client && change.seen)
            this.keep({ ...found, client: { ...found.client, first: change.seen.client } });
          return result;
        }
      },
    ),
    breaks: /^1 an update of the label/,
    says: /must set the last client, and keep the first/,
  },
  {
    name: 'looks at the last use before it writes, and not as it writes',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, { seen, ...change }]: Update) {
          const isLatest = seen && seen.at >= (this.live(record.id)?.lastSeenAt ?? 0);
          await pause();
          const found = this.live(record.id);
          if (found && isLatest)
            this.keep({ ...found, lastSeenAt: seen.at, client: { first: seen.client, last: seen.client } });
          return super.update(record, change);
        }
      },
    ),
    breaks: /^3 uses that race/,
    says: /of parallel uses the latest must stay/,
  },
];
