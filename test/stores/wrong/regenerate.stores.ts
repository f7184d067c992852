import type { SessionRecord } from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { pause, twoOf, type Clear, type Create, type Update, type WrongStore } from './wrong.store.js';

/** Ends a session of its group some time after the others, as a store does that clears in several steps. */
class SlowClearStore extends MapStore {
  override async clear(...[group, except]: Clear) {
    const listed = this.members(group).map(({ id }) => id);
    await pause();
    let ended = 0;
    for (const id of listed)
      if (!except || ![...except].includes(id)) ended += Number(await this.destroy(id));
    return ended;
  }
}

export const wrongInRegeneration: WrongStore[] = [
  {
    name: 'forgets a session as soon as it has ended',
    make: twoOf(
      class extends MapStore {
        protected override bury(id: string) {
          this.sessions.delete(id);
        }
      },
    ),
    breaks:
      /^2 (the id of a session that has ended|after (a|an) .*, a request in progress|requests that regenerate a session while)/,
    says: /must (reject|resolve to false|have no successor|not be created once)/,
  },
  {
    name: 'leaves no tombstone when a change ends a session',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const result = await super.update(record, change);
          if ((change.expiresAt ?? Infinity) <= Date.now()) this.tombstones.delete(record.id);
          return result;
        }
      },
    ),
    breaks: /^2 (the id of a session that has ended|after an expiry in the past, a request in progress)/,
    says: /after an expiry in the past must (reject|resolve to false)/,
  },
  {
    name: 'leaves no tombstone when it clears',
    make: twoOf(
      class extends MapStore {
        override async clear(...args: Clear) {
          const before = new Set(this.tombstones.keys());
          const ended = await super.clear(...args);
          for (const id of this.tombstones.keys()) if (!before.has(id)) this.tombstones.delete(id);
          return ended;
        }
      },
    ),
    breaks: /^2 (the id of a session that has ended|after a clear of (its group|all), a request in progress)/,
    says: /after a clear of its group must (reject|resolve to false)|after a clear of all must resolve to false/,
  },
  {
    name: 'takes a regenerated session for one that has ended',
    make: twoOf(
      class extends MapStore {
        override async regenerate(id: string) {
          const mayBe = await super.regenerate(id);
          this.bury(id);
          return mayBe;
        }
      },
    ),
    breaks: /^2 (two simultaneous regenerates|after a destroy, a request in progress)/,
    says: /must get both successors|must not count as ended|must resolve to true/,
  },
  {
    name: 'lists a regenerated session until its successor is there',
    make: twoOf(
      class extends MapStore {
        override async regenerate(id: string) {
          const found = this.live(id);
          const mayBe = await super.regenerate(id);
          if (found) this.sessions.set(id, found);
          return mayBe;
        }
      },
    ),
    breaks: /^2 a session that was regenerated is gone/,
    says: /must be gone/,
  },
  {
    name: 'loses what a successor came from',
    make: twoOf(
      class extends MapStore {
        protected override keep({ from: _, ...record }: SessionRecord) {
          return super.keep(record);
        }
      },
    ),
    breaks: /^2 a session that was regenerated is gone/,
    says: /must keep `from`/,
  },
  {
    name: 'takes a session that it does not know for one that has ended',
    make: twoOf(
      class extends MapStore {
        override async haveEnded(ids: string[]) {
          return ids.some((id) => !this.live(id));
        }
        override async regenerate(id: string) {
          const isLive = this.live(id) !== undefined;
          return (await super.regenerate(id)) && isLive;
        }
      },
    ),
    breaks: /^2 a session that expired or was never created/,
    says: /has not ended/,
  },
  {
    name: 'regenerates a session that others have ended',
    make: twoOf(
      class extends MapStore {
        override async regenerate(id: string) {
          await super.regenerate(id);
          return true;
        }
      },
    ),
    breaks: /^2 after (a|an) .*, a request in progress/,
    says: /a regenerate after .* must resolve to false/,
  },
  {
    name: 'makes a regenerated session of one that has ended',
    make: twoOf(
      class extends MapStore {
        override async regenerate(id: string) {
          const mayBe = await super.regenerate(id);
          if (!mayBe) this.bury(id, []);
          return mayBe;
        }
      },
    ),
    breaks: /^2 after (a|an) .*, a request in progress/,
    says: /a second regenerate after .* must resolve to false/,
  },
  {
    name: 'creates a successor without a look at what has ended',
    make: twoOf(
      class extends MapStore {
        override async create({ from, ...record }: Create[0]) {
          await super.create(record);
          this.keep({ ...record, from });
          return true;
        }
      },
    ),
    breaks: /^2 (after (a|an) .*, a request in progress|requests that regenerate a session while)/,
    says: /a create of a successor after .* must resolve to false|must not be created once/,
  },
  {
    name: 'looks at what has ended before it creates',
    make: twoOf(
      class extends MapStore {
        override async create({ from = [], ...record }: Create[0]) {
          if (await this.haveEnded(from)) return false;
          await pause();
          await super.create(record);
          this.keep({ ...record, from });
          return true;
        }
      },
    ),
    breaks: /^7 a session that is regenerated while its group is cleared/,
    says: /must end what its members are regenerated into/,
  },
  {
    name: 'clears the sessions that it has listed',
    make: twoOf(SlowClearStore),
    breaks: /^7 a session that is regenerated while its group is cleared/,
    says: /must end what its members are regenerated into/,
  },
  {
    name: 'ends the regenerated sessions of other groups too',
    make: twoOf(
      class extends MapStore {
        override async clear(...args: Clear) {
          const ended = await super.clear(...args);
          for (const [id, { isRegenerated }] of this.tombstones) if (isRegenerated) this.bury(id);
          return ended;
        }
      },
    ),
    breaks: /^7 a clear does not end the successors/,
    says: /whose successor a clear keeps must not count as ended/,
  },
];
