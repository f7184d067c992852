import { NEVER, applyChange, applyRotation, type SessionRecord } from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import {
  pause,
  twoOf,
  type Clear,
  type Create,
  type Page,
  type Rotate,
  type Update,
  type WrongStore,
} from './wrong.store.js';

/** Sees the expired as well, where a subclass looks. */
class LateStore extends MapStore {
  protected all(group?: string): SessionRecord[] {
    const all = [...this.sessions.values()];
    return group === undefined ? all : all.filter(({ groups }) => groups.includes(group));
  }
}

const HOUR = 3_600_000;

/** Says that it is another time than that by which its sessions expire. */
class ClockedStore extends MapStore {
  protected offset = HOUR;

  override now(): number {
    return Date.now() + this.offset;
  }

  protected override live(id: string): SessionRecord | undefined {
    const found = this.sessions.get(id);
    return found && found.expiresAt > Date.now() ? found : undefined;
  }
}

export const wrongInExpiry: WrongStore[] = [
  {
    name: 'reads the expired',
    make: twoOf(
      class extends LateStore {
        override async read(id: string) {
          return this.sessions.get(id);
        }
      },
    ),
    breaks: /^5 an expired session is not read/,
    says: /must read as undefined/,
  },
  {
    name: 'updates the expired',
    make: twoOf(
      class extends LateStore {
        override async update(...[record, change]: Update) {
          const found = this.sessions.get(record.id);
          return found && this.keep(applyChange(found, change));
        }
      },
    ),
    breaks: /^5 an expired session is not updated/,
    says: /an update of an expired session must resolve to undefined/,
  },
  {
    name: 'rotates the expired',
    make: twoOf(
      class extends LateStore {
        override async rotate(...[record, presented, secretHash, grace]: Rotate) {
          const found = this.sessions.get(record.id);
          return found && applyRotation(found, presented, secretHash, grace, Date.now()).secretHash;
        }
      },
    ),
    breaks: /^5 an expired session is not rotated/,
    says: /a rotation of an expired session must resolve to undefined/,
  },
  {
    name: 'destroys the expired as if they were live',
    make: twoOf(
      class extends LateStore {
        override async destroy(id: string) {
          return this.sessions.delete(id);
        }
      },
    ),
    breaks: /^5 destroy of an expired session/,
    says: /must resolve to false/,
  },
  {
    name: 'pages the expired',
    make: twoOf(
      class extends LateStore {
        override async page(...[{ group }]: Page) {
          return { records: this.all(group) };
        }
      },
    ),
    breaks: /^5 an expired session is not paged/,
    says: /must show the live session and none that expired/,
  },
  {
    name: 'counts the expired',
    make: twoOf(
      class extends LateStore {
        override async count(group?: string) {
          return this.all(group).length;
        }
      },
    ),
    breaks: /^5 an expired session is not counted/,
    says: /that of the live, without the expired/,
  },
  {
    name: 'counts the expired among those it clears',
    make: twoOf(
      class extends LateStore {
        override async clear(...[group, except]: Clear) {
          const all = this.all(group).length;
          await super.clear(group, except);
          return all;
        }
      },
    ),
    breaks: /^5 a clear does not count/,
    says: /how many were live, without the expired/,
  },
  {
    name: 'moves an expiry only later',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const found = this.live(record.id);
          const next = found && applyChange(found, change);
          return next && this.keep({ ...next, expiresAt: Math.max(found.expiresAt, next.expiresAt) });
        }
      },
    ),
    breaks: /^5 an expiry (that is moved earlier|is set or touched)/,
    says: /must be gone after it|moved earlier by/,
  },
  {
    name: 'leaves the first expiry with the backend',
    make: twoOf(
      class extends MapStore {
        override async create(...[record]: Create) {
          const isCreated = await super.create(record);
          if (record.expiresAt - Date.now() > 60_000) return isCreated;
          setTimeout(() => this.sessions.delete(record.id), record.expiresAt - Date.now());
          return isCreated;
        }
      },
    ),
    breaks: /^5 an expiry that is moved later/,
    says: /must outlive its old expiry/,
  },
  {
    name: 'drops the expiry with a change that does not set it',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const kept = change.expiresAt !== undefined || change.touch !== undefined;
          return super.update(record, kept ? change : { ...change, expiresAt: NEVER });
        }
      },
    ),
    breaks: /^5 no change makes an expiring session immortal/,
    says: /the expiry of a session must stay after a change/,
  },
  {
    name: 'drops the expiry with a rotation',
    make: twoOf(
      class extends MapStore {
        override async rotate(...args: Rotate) {
          await super.update(args[0], { expiresAt: NEVER });
          return super.rotate(...args);
        }
      },
    ),
    breaks: /^5 no change makes an expiring session immortal/,
    says: /the expiry of a session must stay after a rotation/,
  },
  {
    name: 'lets a touch undo a lifetime',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          return super.update(record, { expiresAt: change.touch?.to, ...change });
        }
      },
    ),
    breaks: /^5 a touch (never undoes a lifetime|that races an update|or a retirePrevious whose)/,
    says: /the lifetime set meanwhile|must not undo a lifetime|must leave the expiry/,
  },
  {
    name: 'lets a touch undo a lifetime that is set while it writes',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, { touch, ...rest }]: Update) {
          const current = this.live(record.id)?.expiresAt;
          if (touch === undefined || touch.from !== current) return super.update(record, rest);
          await pause();
          return super.update(record, { expiresAt: touch.to, ...rest });
        }
      },
    ),
    breaks: /^5 a touch that races an update of the lifetime/,
    says: /must not undo a lifetime that is set meanwhile/,
  },
  {
    name: 'drops a change whose touch fails',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const found = this.live(record.id);
          const fails = change.touch !== undefined && change.touch.from !== found?.expiresAt;
          return fails ? found : super.update(record, change);
        }
      },
    ),
    breaks: /^5 a touch or a retirePrevious whose condition fails/,
    says: /a touch whose condition fails must leave the rest/,
  },
  {
    name: 'drops a change whose retirePrevious fails',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const found = this.live(record.id);
          const fails =
            change.retirePrevious !== undefined && change.retirePrevious.secretHash !== found?.secretHash;
          return fails ? found : super.update(record, change);
        }
      },
    ),
    breaks: /^5 a touch or a retirePrevious whose condition fails/,
    says: /a retirePrevious whose condition fails must leave the rest/,
  },
  {
    name: 'lets a touch beat an expiry that the change sets',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, { expiresAt, ...change }]: Update) {
          return super.update(record, change.touch ? change : { ...change, expiresAt });
        }
      },
    ),
    breaks: /^5 an expiry that a change sets beats/,
    says: /must beat its touch/,
  },
  {
    name: 'results an update that ended the session as any other',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const found = this.live(record.id);
          await super.update(record, change);
          return found && applyChange(found, change);
        }
      },
    ),
    breaks: /^5 an expiry in the past ends/,
    says: /must end the session and resolve to undefined/,
  },
  {
    name: 'gives a session that is past its expiry another minute',
    make: twoOf(
      class extends MapStore {
        protected override keep(record: SessionRecord) {
          const aMinute = Date.now() + 60_000;
          return super.keep(record.expiresAt < Date.now() ? { ...record, expiresAt: aMinute } : record);
        }
      },
    ),
    breaks: /^5 an expiry in the past/,
    says: /must end the session/,
  },
  {
    name: 'keeps the id of a session created past its expiry in use',
    make: () => {
      const used = new Map<string, string>();
      return twoOf(
        class extends MapStore {
          override async create(...[record]: Create) {
            const secretHash = used.get(record.id) ?? record.secretHash;
            used.set(record.id, secretHash);
            return super.create({ ...record, secretHash });
          }
        },
      )();
    },
    breaks: /^5 a create with an expiry in the past/,
    says: /must not keep its id in use/,
  },
  {
    name: 'does not count a session that never expires',
    make: twoOf(
      class extends MapStore {
        override async count(group?: string) {
          return this.members(group).filter(({ expiresAt }) => expiresAt < NEVER).length;
        }
      },
    ),
    breaks: /^5 a session that never expires/,
    says: /sessions that never expire must be counted/,
  },
  {
    name: 'does not clear a session that never expires',
    make: twoOf(
      class extends MapStore {
        override async clear(group?: string) {
          const eternal = this.members(group).filter(({ expiresAt }) => expiresAt === NEVER);
          return super.clear(
            group,
            eternal.map(({ id }) => id),
          );
        }
      },
    ),
    breaks: /^5 a session that never expires/,
    says: /sessions that never expire must be cleared/,
  },
  {
    name: 'has a clock that is ahead',
    make: twoOf(ClockedStore),
    breaks: /^5 a session that has expired by the clock/,
    says: /must be gone once `now` has reached its expiry/,
  },
  {
    name: 'has a clock that is behind',
    make: twoOf(
      class extends ClockedStore {
        protected override offset = -HOUR;
      },
    ),
    breaks: /^5 a session that has not expired by the clock/,
    says: /must be live until `now` has reached its expiry/,
  },
  {
    name: 'has a clock with fractions',
    make: twoOf(
      class extends ClockedStore {
        protected override offset = 0.5;
      },
    ),
    breaks: /^5 a session that has not expired by the clock/,
    says: /`now` must be in whole milliseconds/,
  },
];
