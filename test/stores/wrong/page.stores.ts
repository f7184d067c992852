import type { SessionRecord } from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { twoOf, type Page, type WrongStore } from './wrong.store.js';

export const wrongInPages: WrongStore[] = [
  {
    name: 'pages over its limit',
    make: twoOf(
      class extends MapStore {
        override async page(...[{ limit, ...options }]: Page) {
          return super.page({ ...options, limit: Math.min(limit + 1, 1000) });
        }
      },
    ),
    breaks: /^7 pages show every session/,
    says: /never holds more than its limit/,
  },
  {
    name: 'has one page only',
    make: twoOf(
      class extends MapStore {
        override async page(...args: Page) {
          const { records } = await super.page(...args);
          return { records };
        }
      },
    ),
    breaks: /^7 pages show every session/,
    says: /must show every session and no other/,
  },
  {
    name: 'has pages without end',
    make: twoOf(
      class extends MapStore {
        override async page(...args: Page) {
          const { records, next } = await super.page(...args);
          return { records, next: next ?? args[0].after ?? '' };
        }
      },
    ),
    breaks: /^7 pages show every session/,
    says: /must come to an end/,
  },
  {
    name: 'goes on only where the page before was read',
    make: twoOf(
      class extends MapStore {
        private next?: string;
        override async page(...[{ after, ...options }]: Page) {
          const { records, next } = await super.page({ ...options, after: after && this.next });
          this.next = next;
          return next === undefined ? { records } : { records, next: 'next' };
        }
      },
    ),
    breaks: /^7 pages show every session/,
    says: /must (show every session|come to an end)/,
  },
  {
    name: 'leaves the data out of its pages',
    make: twoOf(
      class extends MapStore {
        override async page(...args: Page) {
          const { records, next } = await super.page(...args);
          const bare = records.map((record) => Object.assign({ ...record }, { data: {} }));
          return { records: bare, next };
        }
      },
    ),
    breaks: /^7 pages show every session/,
    says: /must show the whole record/,
  },
  {
    name: 'pages by expiry, so that those who move are skipped',
    make: twoOf(
      class extends MapStore {
        override async page(...[{ group, after, limit }]: Page) {
          const rest = this.members(group).filter(({ expiresAt }) => expiresAt > Number(after ?? 0));
          const records = rest.toSorted((one, other) => one.expiresAt - other.expiresAt).slice(0, limit);
          const next = String(records.at(-1)?.expiresAt);
          return rest.length > limit ? { records, next } : { records };
        }
      },
    ),
    breaks: /^7 a session whose expiry moves while pages/,
    says: /whose expiry moves meanwhile/,
  },
  {
    name: 'loses its place when the session it stands at ends',
    make: twoOf(
      class extends MapStore {
        override async page(...[options]: Page) {
          const { after } = options;
          return after === undefined || this.live(after) ? super.page(options) : { records: [] };
        }
      },
    ),
    breaks: /^7 sessions that end while pages are read/,
    says: /must show every live session while others end/,
  },
  {
    name: 'pages what it saw when the first page was read',
    make: () => {
      let seen: SessionRecord[] = [];
      return twoOf(
        class extends MapStore {
          override async page(...args: Page) {
            if (args[0].after === undefined) seen = super.members(args[0].group);
            return super.page(...args);
          }
          protected override members(group?: string) {
            return seen.length > 0 ? seen : super.members(group);
          }
        },
      )();
    },
    breaks: /^7 sessions that end while pages are read/,
    says: /must not appear on a later page/,
  },
  {
    name: 'pages by number, so that those behind the ended are skipped',
    make: twoOf(
      class extends MapStore {
        override async page(...[{ group, after = '0', limit }]: Page) {
          const rest = (await super.page({ group, limit: 1000 })).records.slice(Number(after));
          const next = String(Number(after) + limit);
          return rest.length > limit ? { records: rest.slice(0, limit), next } : { records: rest };
        }
      },
    ),
    breaks: /^7 (sessions that end while pages are read|a session that is live throughout)/,
    says: /how many were missed/,
  },
];
