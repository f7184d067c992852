import { setTimeout } from 'node:timers/promises';
import { exceptIds, type SessionRecord } from 'nestjs-session-stores/store';
import { MapStore, type Tombstone } from '../map.store.js';
import { pause, twoOf, type Clear, type Create, type Update, type WrongStore } from './wrong.store.js';

/** Has an index of its groups beside the sessions, out of which ids get lost. */
class IndexStore extends MapStore {
  constructor(
    sessions: Map<string, SessionRecord>,
    tombstones: Map<string, Tombstone>,
    protected readonly lost: Set<string>,
  ) {
    super(sessions, tombstones);
  }

  protected override members(group?: string) {
    return super.members(group).filter(({ id }) => !this.lost.has(id));
  }
}

/** Shows a session in its groups a while after the call that joined it has resolved. */
class LateIndexStore extends IndexStore {
  override async create(...[record]: Create) {
    const isCreated = await super.create(record);
    this.showLater(record.id);
    return isCreated;
  }

  override async update(...[record, change]: Update) {
    const result = await super.update(record, change);
    if (change.join) this.showLater(record.id);
    return result;
  }

  private showLater(id: string): void {
    this.lost.add(id);
    void setTimeout(3).then(() => this.lost.delete(id));
  }
}

const byExpiry = (one: SessionRecord, other: SessionRecord) => one.expiresAt - other.expiresAt;

export const wrongInGroups: WrongStore[] = [
  {
    name: 'shows a join a while after it resolved',
    make: twoOf(LateIndexStore),
    breaks: /^7 (a session is in (its groups|a group) when|a join that resolved before)/,
    says: /must have the session|must be included in it/,
  },
  {
    name: 'clears a group without those who just joined',
    make: twoOf(LateIndexStore),
    breaks: /^7 a clear (of all )?destroys every session whose/,
    says: /must destroy every session (that had joined|created) when it was called/,
  },
  {
    name: 'repairs its index from what it saw before a join',
    make: twoOf(
      class extends IndexStore {
        override async count(group?: string) {
          const seen = new Set(this.members(group));
          await pause();
          for (const member of this.members(group)) {
            if (![...seen].some(({ id }) => id === member.id)) this.lost.add(member.id);
          }
          return this.members(group).length;
        }
      },
    ),
    breaks: /^7 a join that resolved before/,
    says: /must be included|must have all that joined/,
  },
  {
    name: 'never leaves a group',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          return super.update(record, { ...change, leave: undefined });
        }
      },
    ),
    breaks: /^7 (a session that leaves|one change joins some)/,
    says: /must not have the session that left|must join and leave groups/,
  },
  {
    name: 'joins a group twice',
    make: twoOf(
      class extends MapStore {
        override async count(group?: string) {
          const groups = this.members(group).flatMap((member) => member.groups);
          return group === undefined ? super.count() : groups.filter((other) => other === group).length;
        }
        override async update(...[record, change]: Update) {
          if (!(await super.update(record, change))) return undefined;
          const updated = this.live(record.id)!;
          return this.keep({ ...updated, groups: [...updated.groups, ...(change.join ?? [])] });
        }
      },
    ),
    breaks: /^7 one change joins some/,
    says: /each once/,
  },
  {
    name: 'takes a session from its place to move its expiry',
    make: twoOf(
      class extends IndexStore {
        override async update(...[record, change]: Update) {
          if (change.expiresAt !== undefined) {
            this.lost.add(record.id);
            await pause();
            this.lost.delete(record.id);
          }
          return super.update(record, change);
        }
      },
    ),
    breaks: /^7 count and page of a group stay exact/,
    says: /must stay exact/,
  },
  {
    name: 'shows the dead in their groups',
    make: () => {
      const dead: SessionRecord[] = [];
      return twoOf(
        class extends MapStore {
          override async destroy(id: string) {
            dead.push(...this.members().filter((member) => member.id === id));
            return super.destroy(id);
          }
          protected override members(group?: string) {
            return group === undefined ? super.members() : [...super.members(group), ...dead];
          }
        },
      )();
    },
    breaks: /^7 a session that ended/,
    says: /none that ended/,
  },
  {
    name: 'forgets those who join while it clears',
    make: twoOf(
      class extends IndexStore {
        override async clear(...[group, except]: Clear) {
          const ended = await super.clear(group, except);
          await pause();
          for (const { id } of this.members(group)) this.lost.add(id);
          return ended;
        }
      },
    ),
    breaks: /^7 after racing joins/,
    says: /must have exactly those whose records show it/,
  },
  {
    name: 'resolves a clear to how many are left',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          await super.clear(group, except);
          return this.members().length;
        }
      },
    ),
    breaks: /^7 clear resolves to how many/,
    says: /must resolve to/,
  },
  {
    name: 'clears the groups that start alike',
    make: twoOf(
      class extends MapStore {
        protected override members(group?: string) {
          return super
            .members()
            .filter(({ groups }) => group === undefined || groups.some((other) => other.startsWith(group)));
        }
      },
    ),
    breaks: /^7 a clear of a group keeps the sessions of other groups/,
    says: /must destroy only its one member/,
  },
  {
    name: 'clears a group as a pattern',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          const kept = this.members().filter(
            ({ groups }) => !groups.some((other) => other.trim() === group?.trim()),
          );
          return super.clear(undefined, [...exceptIds(except), ...kept.map(({ id }) => id)]);
        }
      },
    ),
    breaks: /^7 a clear of a group keeps the sessions of other groups/,
    says: /must destroy only its one member/,
  },
  {
    name: "takes the group '' for all sessions",
    make: twoOf(
      class extends MapStore {
        protected override members(group?: string) {
          return super.members(group || undefined);
        }
      },
    ),
    breaks: /^7 the group ''/,
    says: /must be that of its members/,
  },
  {
    name: 'clears the sessions in `except` too',
    make: twoOf(
      class extends MapStore {
        override async clear(group?: string) {
          return super.clear(group);
        }
      },
    ),
    breaks: /^7 clear keeps the sessions/,
    says: /must keep the session that an array excepts/,
  },
  {
    name: 'takes the letters of an id for ids to except',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except = []]: Clear) {
          return super.clear(group, [...except]);
        }
      },
    ),
    breaks: /^7 clear keeps the sessions/,
    says: /must keep the session that one id as a string excepts/,
  },
  {
    name: 'goes through a group by expiry to clear it',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          let [ended, last] = [0, 0];
          for (;;) {
            const later = this.members(group).filter(({ expiresAt }) => expiresAt > last);
            const chunk = later.toSorted(byExpiry).slice(0, 5);
            const kept = this.members().filter((member) => !chunk.includes(member));
            ended += await super.clear(undefined, [...exceptIds(except), ...kept.map(({ id }) => id)]);
            last = chunk.at(-1)?.expiresAt ?? 0;
            if (last === 0) return ended;
            await pause();
          }
        }
      },
    ),
    breaks: /^7 a clear misses no member while expiries move/,
    says: /must destroy every member while expiries move/,
  },
  {
    name: 'leaves those who change while it clears',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          const seen = new Set(this.members(group));
          await pause();
          const kept = this.members().filter((member) => !seen.has(member));
          return super.clear(group, [...exceptIds(except), ...kept.map(({ id }) => id)]);
        }
      },
    ),
    breaks: /^7 a clear misses no member while/,
    says: /must destroy every member while/,
  },
  {
    name: 'clears until nobody is left',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          let ended = 0;
          // The group is empty only if no session has joined for a while: on a stalled machine one check proves nothing.
          for (let quiet = 0; quiet < 20; quiet++) {
            ended += await super.clear(group, except);
            await pause();
            if (this.members(group).length > 0) quiet = 0;
          }
          return ended;
        }
      },
    ),
    breaks: /^7 a clear ends even under constant joins/,
    says: /did not while \d+ sessions joined/,
  },
  {
    name: 'clears a thousand at most',
    make: twoOf(
      class extends MapStore {
        override async clear(...[group, except]: Clear) {
          const kept = this.members(group).slice(1000);
          return super.clear(group, [...exceptIds(except), ...kept.map(({ id }) => id)]);
        }
      },
    ),
    breaks: /^7 clear, count and page reach beyond/,
    says: /a clear must reach beyond a thousand members/,
  },
];
