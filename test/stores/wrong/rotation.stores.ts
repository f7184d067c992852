import { applyRotation, type SessionRecord } from 'nestjs-session-stores';
import { MapStore } from '../map.store.js';
import { pause, twoOf, type Rotate, type Update, type WrongStore } from './wrong.store.js';

type Rule = (record: SessionRecord, presented: string, proof: string, grace: number) => SessionRecord;

const byTheRules: Rule = (record, presented, proof, grace) =>
  applyRotation(record, presented, proof, grace, Date.now());

/** Rotates by a rule of its own. */
const rotatesBy = (rule: Rule) =>
  twoOf(
    class extends MapStore {
      override async rotate(...[{ key }, presented, proof, grace]: Rotate) {
        const found = this.live(key);
        return found && this.keep(rule(found, presented, proof, grace))?.proof;
      }
    },
  );

/** Rotates a record that it looked at a while ago. */
class SlowStore extends MapStore {
  override async rotate(...[{ key }, presented, proof, grace]: Rotate) {
    const found = this.live(key);
    await pause();
    return found && this.keep(byTheRules(found, presented, proof, grace))?.proof;
  }
}

export const wrongInRotation: WrongStore[] = [
  {
    name: 'notes the grace of a rotation in seconds',
    make: rotatesBy((record, presented, proof, grace) =>
      byTheRules(record, presented, proof, Math.ceil(grace / 1000)),
    ),
    breaks: /^6 a rotation makes its proof current/,
    says: /must change the proof and `was` as it says/,
  },
  {
    name: 'notes the instant of a rotation in seconds',
    make: rotatesBy((record, presented, proof, grace) =>
      applyRotation(record, presented, proof, grace, Math.round(Date.now() / 1000)),
    ),
    breaks: /^6 a rotation makes its proof current/,
    says: /must be the instant of the rotation/,
  },
  {
    name: 'lets two rotations win',
    make: twoOf(SlowStore),
    breaks: /^6 of two racing rotations (one wins|that heal)/,
    says: /must (both )?resolve to (one proof|the current proof)/,
  },
  {
    name: 'tells the loser of a rotation its own proof',
    make: twoOf(
      class extends MapStore {
        override async rotate(...args: Rotate) {
          return (await super.rotate(...args)) && args[2];
        }
      },
    ),
    breaks: /^6 (of two racing rotations one wins|while the secret|a proof that is neither)/,
    says: /must resolve to (one proof|the current proof)/,
  },
  {
    name: 'rotates over a rotation whose secret is unseen',
    make: rotatesBy((record, presented, proof, grace) =>
      byTheRules({ ...record, was: record.was && { ...record.was, grace: 0 } }, presented, proof, grace),
    ),
    breaks: /^6 (while the secret|of two racing rotations one wins)/,
    says: /within the grace of an unseen one|must resolve to one proof/,
  },
  {
    name: 'writes a rotation again that was sent again',
    make: rotatesBy((record, presented, proof, grace) => {
      const again = proof === record.proof && record.was;
      return again
        ? { ...record, was: { ...again, at: Date.now(), grace } }
        : byTheRules(record, presented, proof, grace);
    }),
    breaks: /^6 a rotation to the proof that is current already/,
    says: /to the current proof must write nothing/,
  },
  {
    name: 'rotates once only',
    make: rotatesBy((record, presented, proof, grace) =>
      record.was ? record : byTheRules(record, presented, proof, grace),
    ),
    breaks: /^6 (once its secret was seen|after the grace of an unseen|a client that never saw)/,
    says: /must win/,
  },
  {
    name: 'keeps the first proof that was through the next rotation',
    make: rotatesBy((record, presented, proof, grace) => {
      const next = byTheRules(record, presented, proof, grace);
      return record.was && next.was ? { ...next, was: { ...next.was, proof: record.was.proof } } : next;
    }),
    breaks: /^6 (once its secret was seen|after the grace of an unseen)/,
    says: /`was` must be the proof it replaced|rotated away must become `was`/,
  },
  {
    name: 'keeps the until of the last grace for the next',
    make: rotatesBy((record, presented, proof, grace) => {
      const next = byTheRules(record, presented, proof, grace);
      return next.was ? { ...next, was: { ...next.was, until: record.was?.until } } : next;
    }),
    breaks: /^6 once its secret was seen/,
    says: /must be the proof it replaced, unseen/,
  },
  {
    name: 'never heals a client that lost the answer',
    make: rotatesBy((record, presented, proof, grace) =>
      presented === record.proof ? byTheRules(record, presented, proof, grace) : record,
    ),
    breaks: /^6 (a client that never saw|of two racing rotations that heal)/,
    says: /must win after (its|the) grace/,
  },
  {
    name: 'heals with the proof that no client has as the one that was',
    make: rotatesBy((record, presented, proof, grace) => {
      const heals = presented === record.was?.proof && record.was.until === undefined;
      return byTheRules(record, heals ? record.proof : presented, proof, grace);
    }),
    breaks: /^6 (a client that never saw|of two racing rotations that heal)/,
    says: /must keep the proof the client holds as `was`/,
  },
  {
    name: 'heals a client after its secret was replaced and its successor seen',
    make: rotatesBy((record, presented, proof, grace) =>
      presented === record.was?.proof && record.was.until !== undefined
        ? { ...record, proof, was: { proof: presented, at: Date.now(), grace } }
        : byTheRules(record, presented, proof, grace),
    ),
    breaks: /^6 a proof that is neither current/,
    says: /no more good must resolve to the current proof/,
  },
  {
    name: 'rotates for anybody',
    make: rotatesBy((record, _, proof, grace) => byTheRules(record, record.proof, proof, grace)),
    breaks: /^6 a proof that is neither current/,
    says: /no more good must resolve to the current proof/,
  },
  {
    name: 'keeps the proof that was without a grace',
    make: rotatesBy((record, presented, proof, grace) =>
      byTheRules(record, presented, proof, grace === 0 ? 1 : grace),
    ),
    breaks: /^6 a rotation with grace 0/,
    says: /must leave no `was`/,
  },
  {
    name: 'takes a session from its groups with a rotation',
    make: rotatesBy((record, presented, proof, grace) => ({
      ...byTheRules(record, presented, proof, grace),
      groups: [],
    })),
    breaks: /^6 key, groups, data and instants/,
    says: /must leave everything but the proof/,
  },
  {
    name: 'loses what is written while it rotates',
    make: twoOf(SlowStore),
    breaks: /^6 key, groups, data and instants/,
    says: /must all be kept/,
  },
  {
    name: 'moves a grace with a second retire',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const found = this.live(record.key);
          if (found?.was && change.retire?.proof === found.proof) delete found.was.until;
          return super.update(record, change);
        }
      },
    ),
    breaks: /^6 a retire sets the end/,
    says: /a second retire must not move `was.until`/,
  },
  {
    name: 'never retires',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          return super.update(record, { ...change, retire: undefined });
        }
      },
    ),
    breaks: /^6 a retire sets the end/,
    says: /must set `was.until`/,
  },
  {
    name: 'sets a grace with a late retire',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, change]: Update) {
          const proof = this.live(record.key)?.proof ?? '';
          return super.update(record, { ...change, retire: change.retire && { ...change.retire, proof } });
        }
      },
    ),
    breaks: /^6 a late retire/,
    says: /must not set `was.until` of another rotation/,
  },
  {
    name: 'sets the grace of a rotation that comes while it retires',
    make: twoOf(
      class extends MapStore {
        override async update(...[record, { retire, ...change }]: Update) {
          if (!retire || this.live(record.key)?.proof !== retire.proof) return super.update(record, change);
          await pause();
          const proof = this.live(record.key)?.proof ?? '';
          return super.update(record, { ...change, retire: { ...retire, proof } });
        }
      },
    ),
    breaks: /^6 a retire that races/,
    says: /must leave its `was` unseen/,
  },
];
