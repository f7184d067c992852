import type { SessionLimitedJoin } from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { pause, twoOf, type JoinLimited, type Update, type WrongStore } from './wrong.store.js';

/** Joins as other groups are joined. */
class Unlimited extends MapStore {
  override async joinLimited(...[{ id }, { group }]: JoinLimited): Promise<SessionLimitedJoin> {
    const joined = await this.update({ id }, { join: [group], joinedAt: this.now() });
    return joined ? { is: 'joined', ended: [] } : { is: 'gone' };
  }
}

/** The live members of a group, in the order in which they were created. */
class Ordered extends MapStore {
  protected override members(group: string) {
    return [...this.sessions.values()]
      .filter((member) => this.live(member.id) && member.groups.includes(group))
      .toSorted((one, other) => one.createdAt - other.createdAt);
  }
}

export const wrongInLimits: WrongStore[] = [
  {
    name: 'ignores the limit of a group',
    make: twoOf(Unlimited),
    breaks: /^7 (a join with a limit (ends|rejects)|of parallel joins)/,
    says: /sessions that (joined first|were last used earliest) must end|full group must be reported|must be in use|must stay|must join/,
  },
  {
    name: 'resolves a join before those that are too many have ended',
    make: twoOf(
      class extends MapStore {
        override async joinLimited(...[record, limit]: JoinLimited): Promise<SessionLimitedJoin> {
          const { group } = limit;
          if (this.live(record.id)?.groups.includes(group)) return { is: 'joined', ended: [] };
          await this.update(record, { join: [group], joinedAt: this.now() });
          void pause().then(() => super.joinLimited(record, limit));
          return { is: 'joined', ended: [] };
        }
      },
    ),
    breaks: /^7 a join with a limit ends the sessions that joined first/,
    says: /sessions that joined first must end/,
  },
  {
    name: 'ends the sessions of a full group in the order of their creation',
    make: twoOf(
      class extends Ordered {
        override async joinLimited(...[record, { group, max }]: JoinLimited): Promise<SessionLimitedJoin> {
          await this.update(record, { join: [group] });
          const members = this.members(group);
          const ended = members.slice(0, Math.max(0, members.length - max));
          for (const { id } of ended) await this.destroy(id);
          return { is: 'joined', ended };
        }
      },
    ),
    breaks: /^7 a join with a limit ends the sessions that joined first/,
    says: /sessions that joined first must end/,
  },
  {
    name: 'trusts its clock to be that of all members',
    make: twoOf(
      class extends MapStore {
        protected override doUpdate(...[record, change]: Update) {
          const isJoin = change.joinedAt !== undefined;
          return super.doUpdate(record, isJoin ? { ...change, joinedAt: this.now() } : change);
        }
      },
    ),
    breaks: /^7 a newcomer joins after all members/,
    says: /a newcomer must join a group|the member that joined first must make room/,
  },
  {
    name: 'moves a session that joins again behind those that joined after it',
    make: twoOf(
      class extends MapStore {
        override async joinLimited(...[record, limit]: JoinLimited): Promise<SessionLimitedJoin> {
          if (this.live(record.id)?.groups.includes(limit.group))
            await this.update(record, { joinedAt: this.now() });
          return super.joinLimited(record, limit);
        }
      },
    ),
    breaks: /^7 a session that joins a group again/,
    says: /must not move a session behind those that joined after it/,
  },
  {
    name: 'ends sessions for one that joins again',
    make: twoOf(
      class extends MapStore {
        override async joinLimited(...[record, limit]: JoinLimited): Promise<SessionLimitedJoin> {
          await this.update(record, { leave: [limit.group] });
          return super.joinLimited(record, limit);
        }
      },
    ),
    breaks: /^7 a session that joins a group again/,
    says: /a second join must change nothing/,
  },
  {
    name: 'joins a session anew, without what it had',
    make: twoOf(
      class extends MapStore {
        override async joinLimited(...[record, limit]: JoinLimited): Promise<SessionLimitedJoin> {
          await this.update(record, { label: '' });
          return super.joinLimited(record, limit);
        }
      },
    ),
    breaks: /^7 a join with a limit keeps the data/,
    says: /must only add the group: label/,
  },
  {
    name: 'ends others for a session that has ended',
    make: twoOf(
      class extends Ordered {
        override async joinLimited(...[record, limit]: JoinLimited): Promise<SessionLimitedJoin> {
          if (!this.live(record.id)) for (const { id } of this.members(limit.group)) await this.destroy(id);
          return super.joinLimited(record, limit);
        }
      },
    ),
    breaks: /^2 delete wins: a session that has ended cannot join/,
    says: /must end no other session/,
  },
  {
    name: 'counts a group once, before the join',
    make: twoOf(
      class extends Ordered {
        override async joinLimited(
          ...[record, { group, max, whenFull }]: JoinLimited
        ): Promise<SessionLimitedJoin> {
          const members = this.members(group);
          await pause();
          if (whenFull === 'reject' && members.length >= max) return { is: 'full', members };
          const ended = members.slice(0, Math.max(0, members.length + 1 - max));
          for (const { id } of ended) await this.destroy(id);
          await this.update(record, { join: [group] });
          return { is: 'joined', ended };
        }
      },
    ),
    breaks: /^7 of parallel joins/,
    says: /must be in use|must stay|must join/,
  },
  {
    name: 'takes whatever it is given as a limit',
    make: twoOf(Unlimited),
    breaks: /^8 a limit that is not valid/,
    says: /must be rejected with a TypeError/,
  },
];
