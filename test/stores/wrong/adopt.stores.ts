import type { SessionRecord } from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { twoOf, type WrongStore } from './wrong.store.js';

export const wrongInAdopting: WrongStore[] = [
  {
    name: 'forgets the label of an adopted session',
    make: twoOf(
      class extends MapStore {
        override adopt({ label: _, ...record }: SessionRecord) {
          return super.adopt(record);
        }
      },
    ),
    breaks: /^1 an adopted session has all/,
    says: /must be read as its record: label/,
  },
  {
    name: 'adopts a session over another one',
    make: twoOf(
      class extends MapStore {
        override async adopt(record: SessionRecord) {
          this.keep({ ...record });
        }
      },
    ),
    breaks: /^(1 an adopt under an id in use|2 a session that has ended is not adopted)/,
    says: /an adopt (with another secret hash|that expires at .* after a destroy): expected 'rejected'/,
  },
  {
    name: 'takes an adopted session for a new one',
    make: twoOf(
      class extends MapStore {
        override async adopt(record: SessionRecord) {
          await super.create(record);
        }
      },
    ),
    breaks: /^2 an adopted session is live/,
    says: /whose predecessor has ended must be live/,
  },
];
