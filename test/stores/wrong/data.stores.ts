import { applyChange, exceptIds, type SessionRecord } from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { twoOf, type Clear, type Page, type Rotate, type Update, type WrongStore } from './wrong.store.js';

type Data = Record<string, string>;

/** Loses something of the data whenever it writes. */
const writes = (lossy: (data: Data) => Data) =>
  twoOf(
    class extends MapStore {
      protected override keep(record: SessionRecord) {
        return super.keep({ ...record, data: lossy(record.data) });
      }
    },
  );

const mapNames = (data: Data, map: (name: string) => string) =>
  Object.fromEntries(Object.entries(data).map(([name, text]) => [map(name), text]));

const mapTexts = (data: Data, map: (text: string) => string) =>
  Object.fromEntries(Object.entries(data).map(([name, text]) => [name, map(text)]));

export const wrongInData: WrongStore[] = [
  {
    name: 'writes what a hint holds, however old that is',
    make: twoOf(
      class extends MapStore {
        override async read(id: string) {
          const read = await super.read(id);
          return read && { ...read, hint: read };
        }
        override async update(...[record, change]: Update) {
          const { hint } = record as { hint?: SessionRecord };
          if (hint) this.sessions.set(hint.id, hint);
          return super.update(record, change);
        }
      },
    ),
    breaks: /^3 the hint of a record/,
    says: /a stale hint must keep what was written meanwhile/,
  },
  {
    name: 'takes the session that a hint is of for the one that is meant',
    make: twoOf(
      class extends MapStore {
        override async read(id: string) {
          const read = await super.read(id);
          return read && { ...read, hint: { id } };
        }
        override async update(...[record, change]: Update) {
          const { id = record.id } = (record.hint ?? {}) as { id?: string };
          return super.update({ ...record, id }, change);
        }
      },
    ),
    breaks: /^3 the hint of a record/,
    says: /another session's hint must change the session with its id/,
  },
  {
    name: 'loses the name __proto__',
    make: writes((data) => {
      const plain: Data = {};
      for (const [name, text] of Object.entries(data)) plain[name] = text;
      return plain;
    }),
    breaks: /^8 (any name is read back|setting or removing any name)/,
    says: /data\['__proto__'\] is undefined/,
  },
  {
    name: "loses the name ''",
    make: writes((data) => Object.fromEntries(Object.entries(data).filter(([name]) => name !== ''))),
    breaks: /^8 (any name is read back|setting or removing any name)/,
    says: /data\[''\] is undefined/,
  },
  {
    name: 'takes a.b for b in a',
    make: writes((data) => mapNames(data, (name) => (name === 'a.b' ? 'a' : name))),
    breaks: /^8 (any name is read back|setting or removing any name)/,
    says: /data\['a.b'\] is undefined/,
  },
  {
    name: 'loses names that start with $',
    make: writes((data) =>
      Object.fromEntries(Object.entries(data).filter(([name]) => !name.startsWith('$'))),
    ),
    breaks: /^8 (any name is read back|setting or removing any name)/,
    says: /data\['\$set'\] is undefined/,
  },
  {
    name: 'removes the names below a name with it',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const names = Object.keys(this.live(record.id)?.data ?? {});
          const below = names.filter((name) => change.remove?.some((other) => name.startsWith(`${other}.`)));
          return super.update(record, { ...change, remove: [...(change.remove ?? []), ...below] });
        }
      },
    ),
    breaks: /^8 setting or removing any name/,
    says: /must be removed alone/,
  },
  {
    name: 'lets names overwrite the fields of a record',
    make: twoOf(
      class extends MapStore {
        protected override keep(record: SessionRecord) {
          return super.keep({ ...record, ...record.data });
        }
      },
    ),
    breaks: /^8 names like the record's own fields/,
    says: /must not disturb the record/,
  },
  {
    name: 'joins the groups that data name',
    make: twoOf(
      class extends MapStore {
        protected override members(group?: string) {
          return super.members().filter(({ groups, data }) => {
            return group === undefined || groups.includes(group) || data.groups?.includes(group);
          });
        }
      },
    ),
    breaks: /^8 names like the record's own fields/,
    says: /must not join a group/,
  },
  {
    name: 'cuts a text at NUL',
    make: writes((data) => mapTexts(data, (text) => text.split('\0')[0] ?? '')),
    breaks: /^8 any serialized value/,
    says: /serialized values must be read back unchanged after a create/,
  },
  {
    name: 'takes a text that starts with $ for a field',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const set = mapTexts(change.set ?? {}, (text) => (text.startsWith('$') ? '' : text));
          return super.update(record, { ...change, set });
        }
      },
    ),
    breaks: /^8 any serialized value/,
    says: /serialized values must be read back unchanged after an update/,
  },
  {
    name: 'parses texts',
    make: writes((data) =>
      mapTexts(data, (text) => {
        try {
          return JSON.stringify(JSON.parse(text));
        } catch {
          return text;
        }
      }),
    ),
    breaks: /^8 any serialized value/,
    says: /serialized values must be read back unchanged after a create/,
  },
  {
    name: 'cuts long texts',
    make: writes((data) => mapTexts(data, (text) => text.slice(0, 65_536))),
    breaks: /^8 a serialized value of 1 MiB/,
    says: /a serialized value of 1 MiB must be read back/,
  },
  {
    name: 'keeps a hundred names at most',
    make: writes((data) => Object.fromEntries(Object.entries(data).slice(0, 100))),
    breaks: /^8 a thousand names/,
    says: /a thousand names must be read back/,
  },
  {
    name: 'takes alike groups for one',
    make: twoOf(
      class extends MapStore {
        protected override members(group?: string) {
          const alike = (other: string) =>
            other.normalize().toLowerCase() === group?.normalize().toLowerCase();
          return super.members().filter(({ groups }) => group === undefined || groups.some(alike));
        }
      },
    ),
    breaks: /^8 any group/,
    says: /its own sessions alone/,
  },
  {
    name: 'destroys all ids that are alike',
    make: twoOf(
      class extends MapStore {
        override async destroy(id: string) {
          const found = await super.destroy(id);
          for (const other of this.sessions.keys()) {
            if (other.toLowerCase() === id.toLowerCase()) this.sessions.delete(other);
          }
          return found;
        }
      },
    ),
    breaks: /^8 any two different well-formed ids/,
    says: /destroy of the id '.' must destroy one session/,
  },
];

export const wrongInRefusals: WrongStore[] = [
  {
    name: 'reads whatever it is given for an id',
    make: twoOf(
      class extends MapStore {
        override async read(id: string) {
          return this.live(id);
        }
      },
    ),
    breaks: /^8 an id that is not/,
    says: /the id .* for read must be rejected with a TypeError, but it was accepted/,
  },
  {
    name: 'destroys sessions before it finds an invalid id',
    make: twoOf(
      class extends MapStore {
        override async destroy(id: string) {
          if (typeof id !== 'string') await super.clear();
          return super.destroy(id);
        }
      },
    ),
    breaks: /^8 an id that is not/,
    says: /that is rejected must write nothing/,
  },
  {
    name: 'accepts any value as `except`',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          const kept = typeof except === 'object' && except && Symbol.iterator in except ? [...except] : [];
          return super.clear(group, kept);
        }
      },
    ),
    breaks: /^8 an id that is not/,
    says: /the except .* for clear must be rejected/,
  },
  {
    name: 'clears all for a group that is null',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          return super.clear(group ?? undefined, except);
        }
      },
    ),
    breaks: /^8 a group that is not/,
    says: /the group null for clear must be rejected/,
  },
  {
    name: 'counts whatever it is given for a group',
    make: twoOf(
      class extends MapStore {
        override async count(group?: string) {
          return this.members(group).length;
        }
      },
    ),
    breaks: /^8 a group that is not/,
    says: /the group .* for count must be rejected/,
  },
  {
    name: 'updates whatever the change is',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const found = this.live(record.id);
          return found && this.keep(applyChange(found, change));
        }
      },
    ),
    breaks: /^8 .*((id|group|name|secret hash|instant) (that is not|both)|or a take that is malformed)/,
    says: /must be rejected with a TypeError/,
  },
  {
    name: 'rotates to whatever it is given for a secret hash',
    make: twoOf(
      class extends MapStore {
        override async rotate(...[record, presented, secretHash, grace]: Rotate) {
          return super.rotate(record, presented, String(secretHash), grace);
        }
      },
    ),
    breaks: /^8 a secret hash that is not/,
    says: /for rotate, as the new one must be rejected/,
  },
  {
    name: 'pages by whatever it is given for a limit',
    make: twoOf(
      class extends MapStore {
        override async page(...[{ limit, ...options }]: Page) {
          return super.page({ ...options, limit: Math.min(Math.max(Math.trunc(limit) || 1, 1), 1000) });
        }
      },
    ),
    breaks: /^8 a page is rejected/,
    says: /the limit .* must be rejected/,
  },
  {
    name: 'pages after whatever it is given',
    make: twoOf(
      class extends MapStore {
        override async page(...[{ after, ...options }]: Page) {
          return super.page(typeof after === 'string' ? { ...options, after } : options);
        }
      },
    ),
    breaks: /^8 a page is rejected/,
    says: /the after .* must be rejected/,
  },
  {
    name: 'fails for malformed input with an error of its own',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          if (group !== undefined && typeof group !== 'string') throw new Error('no group');
          return super.clear(group, exceptIds(except));
        }
      },
    ),
    breaks: /^8 a group that is not/,
    says: /but it failed with Error: no group/,
  },
];
