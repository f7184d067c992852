import { applyRotation, type SessionRecord } from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { pause, twoOf, type Rotate, type Update, type WrongStore } from './wrong.store.js';

type Rule = (record: SessionRecord, presented: string, secretHash: string, grace: number) => SessionRecord;

const byTheRules: Rule = (record, presented, secretHash, grace) =>
  applyRotation(record, presented, secretHash, grace, Date.now());

/** Rotates by a rule of its own. */
const rotatesBy = (rule: Rule) =>
  twoOf(
    class extends MapStore {
      override async rotate(...[{ id }, presented, secretHash, grace]: Rotate) {
        const found = this.live(id);
        return found && this.keep(rule(found, presented, secretHash, grace))?.secretHash;
      }
    },
  );

/** Rotates a record that it read earlier. */
class SlowStore extends MapStore {
  override async rotate(...[{ id }, presented, secretHash, grace]: Rotate) {
    const found = this.live(id);
    await pause();
    return found && this.keep(byTheRules(found, presented, secretHash, grace))?.secretHash;
  }
}

export const wrongInRotation: WrongStore[] = [
  {
    name: 'notes the grace of a rotation in seconds',
    make: rotatesBy((record, presented, secretHash, grace) =>
      byTheRules(record, presented, secretHash, Math.ceil(grace / 1000)),
    ),
    breaks: /^6 a rotation makes its secret hash current/,
    says: /must change the secret hash and `previous` as it says/,
  },
  {
    name: 'notes the instant of a rotation in seconds',
    make: rotatesBy((record, presented, secretHash, grace) =>
      applyRotation(record, presented, secretHash, grace, Math.round(Date.now() / 1000)),
    ),
    breaks: /^6 a rotation makes its secret hash current/,
    says: /must be the instant of the rotation/,
  },
  {
    name: 'lets two rotations win',
    make: twoOf(SlowStore),
    breaks: /^6 of two racing rotations (one wins|that heal)/,
    says: /must (both )?resolve to (one secret hash|the current secret hash)/,
  },
  {
    name: 'tells the loser of a rotation its own secret hash',
    make: twoOf(
      class extends MapStore {
        override async rotate(...args: Rotate) {
          return (await super.rotate(...args)) && args[2];
        }
      },
    ),
    breaks: /^6 (of two racing rotations one wins|until the secret|a secret hash that is neither)/,
    says: /must resolve to (one secret hash|the current secret hash)/,
  },
  {
    name: 'rotates over a rotation whose secret is unseen',
    make: rotatesBy((record, presented, secretHash, grace) =>
      byTheRules(
        { ...record, previous: record.previous && { ...record.previous, replacedAt: 0, since: Date.now() } },
        presented,
        secretHash,
        grace,
      ),
    ),
    breaks: /^6 (until the secret|of two racing rotations one wins)/,
    says: /within the grace of an unseen one|must resolve to one secret hash/,
  },
  {
    name: 'writes a repeated rotation again',
    make: rotatesBy((record, presented, secretHash, grace) => {
      const again = secretHash === record.secretHash && record.previous;
      return again
        ? { ...record, previous: { ...again, replacedAt: Date.now(), grace } }
        : byTheRules(record, presented, secretHash, grace);
    }),
    breaks: /^6 a rotation to the secret hash that is current already/,
    says: /to the current secret hash must write nothing/,
  },
  {
    name: 'rotates once only',
    make: rotatesBy((record, presented, secretHash, grace) =>
      record.previous ? record : byTheRules(record, presented, secretHash, grace),
    ),
    breaks: /^6 (once the secret of a rotation|after the grace of an unseen|after the grace, a client)/,
    says: /must win/,
  },
  {
    name: 'keeps the first secret hash that was through the next rotation',
    make: rotatesBy((record, presented, secretHash, grace) => {
      const next = byTheRules(record, presented, secretHash, grace);
      return record.previous && next.previous
        ? { ...next, previous: { ...next.previous, hash: record.previous.hash } }
        : next;
    }),
    breaks: /^6 (once the secret of a rotation|after the grace of an unseen)/,
    says: /`previous` must be the secret hash it replaced|rotated away must become `previous`/,
  },
  {
    name: 'keeps the until of the last grace for the next',
    make: rotatesBy((record, presented, secretHash, grace) => {
      const next = byTheRules(record, presented, secretHash, grace);
      return next.previous
        ? { ...next, previous: { ...next.previous, validUntil: record.previous?.validUntil } }
        : next;
    }),
    breaks: /^6 once the secret of a rotation/,
    says: /must be the secret hash it replaced, unseen/,
  },
  {
    name: 'never heals a client that lost the result',
    make: rotatesBy((record, presented, secretHash, grace) =>
      presented === record.secretHash ? byTheRules(record, presented, secretHash, grace) : record,
    ),
    breaks: /^6 (after the grace, a client|of two racing rotations that heal)/,
    says: /must win after (its|the) grace/,
  },
  {
    name: 'heals without an end',
    make: rotatesBy((record, presented, secretHash, grace) => {
      const { previous } = record;
      const heals = presented === previous?.hash && Date.now() >= previous.replacedAt + previous.grace;
      return heals
        ? { ...record, secretHash, previous: { ...previous, replacedAt: Date.now(), grace } }
        : byTheRules(record, presented, secretHash, grace);
    }),
    breaks: /^6 a secret that no client has presented/,
    says: /must not heal later than ten graces/,
  },
  {
    name: 'forgets with each healing since when the secret is lost',
    make: rotatesBy((record, presented, secretHash, grace) => {
      const next = byTheRules(record, presented, secretHash, grace);
      if (next.previous) delete next.previous.since;
      return next;
    }),
    breaks: /^6 after the grace, a client/,
    says: /and since when/,
  },
  {
    name: 'heals with the secret hash that no client has as the one that was',
    make: rotatesBy((record, presented, secretHash, grace) => {
      const heals = presented === record.previous?.hash && record.previous.validUntil === undefined;
      return byTheRules(record, heals ? record.secretHash : presented, secretHash, grace);
    }),
    breaks: /^6 (after the grace, a client|of two racing rotations that heal)/,
    says: /must keep the secret hash the client holds as `previous`/,
  },
  {
    name: 'heals a client after its secret was replaced and its successor seen',
    make: rotatesBy((record, presented, secretHash, grace) =>
      presented === record.previous?.hash && record.previous.validUntil !== undefined
        ? { ...record, secretHash, previous: { hash: presented, replacedAt: Date.now(), grace } }
        : byTheRules(record, presented, secretHash, grace),
    ),
    breaks: /^6 a secret hash that is neither the current/,
    says: /no longer valid must resolve to the current secret hash/,
  },
  {
    name: 'rotates for anybody',
    make: rotatesBy((record, _, secretHash, grace) =>
      byTheRules(record, record.secretHash, secretHash, grace),
    ),
    breaks: /^6 a secret hash that is neither the current/,
    says: /no longer valid must resolve to the current secret hash/,
  },
  {
    name: 'keeps the secret hash that was without a grace',
    make: rotatesBy((record, presented, secretHash, grace) =>
      byTheRules(record, presented, secretHash, grace === 0 ? 1 : grace),
    ),
    breaks: /^6 a rotation with grace 0/,
    says: /must leave no `previous`/,
  },
  {
    name: 'takes a session from its groups with a rotation',
    make: rotatesBy((record, presented, secretHash, grace) => ({
      ...byTheRules(record, presented, secretHash, grace),
      groups: [],
    })),
    breaks: /^6 id, groups, data and instants/,
    says: /must leave everything but the secret hash/,
  },
  {
    name: 'loses what is written while it rotates',
    make: twoOf(SlowStore),
    breaks: /^6 id, groups, data and instants/,
    says: /must all be kept/,
  },
  {
    name: 'moves a grace with a second retirePrevious',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const found = this.live(record.id);
          if (found?.previous && change.retirePrevious?.secretHash === found.secretHash)
            delete found.previous.validUntil;
          return super.update(record, change);
        }
      },
    ),
    breaks: /^6 retirePrevious sets once when/,
    says: /a second retirePrevious must not move `previous.validUntil`/,
  },
  {
    name: 'ignores retirePrevious',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          return super.update(record, { ...change, retirePrevious: undefined });
        }
      },
    ),
    breaks: /^6 retirePrevious sets once when/,
    says: /must set `previous.validUntil`/,
  },
  {
    name: 'sets a grace with a late retirePrevious',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const secretHash = this.live(record.id)?.secretHash ?? '';
          return super.update(record, {
            ...change,
            retirePrevious: change.retirePrevious && { ...change.retirePrevious, secretHash },
          });
        }
      },
    ),
    breaks: /^6 a late retirePrevious/,
    says: /must not set `previous.validUntil` of another rotation/,
  },
  {
    name: 'sets the grace of a rotation that comes while retirePrevious runs',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, { retirePrevious, ...change }]: Update) {
          if (!retirePrevious || this.live(record.id)?.secretHash !== retirePrevious.secretHash)
            return super.update(record, change);
          await pause();
          const secretHash = this.live(record.id)?.secretHash ?? '';
          return super.update(record, { ...change, retirePrevious: { ...retirePrevious, secretHash } });
        }
      },
    ),
    breaks: /^6 a retirePrevious that races/,
    says: /must leave its `previous` unseen/,
  },
];
