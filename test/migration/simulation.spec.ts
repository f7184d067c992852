import { SessionStoreDecorator, type SessionRecord } from 'nestjs-session-stores/store';
import { describe, expect, it } from 'vitest';
import { MapStore } from '../stores/map.store.js';
import { NOTHING_WRONG, simulate, type Outcome, type Simulated } from './simulation.js';

const ROUNDS = process.env['LONG'] ? 4000 : 120;

const CASES: [what: string, simulated: Simulated][] = [
  ['three processes that move sessions', { isForeign: false, moves: [true, true, true] }],
  ['three processes that do not yet', { isForeign: false, moves: [false, false, false] }],
  [
    'processes that move sessions, and others that do not yet',
    { isForeign: false, moves: [false, true, true] },
  ],
  ['processes that move the sessions of express-session', { isForeign: true, moves: [true, true, true] }],
  [
    'processes that move them on to a third store, and others that do not know it',
    { isForeign: false, isChain: true, moves: ['only to the first', false, false] },
  ],
  [
    'processes that move them on to a third store, and others that do not yet',
    { isForeign: false, isChain: true, moves: [false, true, true] },
  ],
];

describe('sessions that are used while they move', () => {
  it.each(CASES)(
    'are neither missed nor revived, and lose no change, with %s',
    async (_, simulated) => {
      expect(await simulate(simulated, ROUNDS)).toEqual(NOTHING_WRONG);
    },
    120_000,
  );

  it('are neither missed nor revived if some processes do not move those of express-session yet', async () => {
    const outcome = await simulate({ isForeign: true, moves: [false, true, true] }, ROUNDS);
    // Such a store writes a session as a whole.
    expect({ ...outcome, lost: 0 }).toEqual(NOTHING_WRONG);
  }, 120_000);
});

/** Misses a session again that it has missed. */
class MissesAgain extends SessionStoreDecorator {
  readonly #missed = new Set<string>();

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    if (this.#missed.delete(id)) return undefined;
    const found = await super.doRead(id);
    if (!found) this.#missed.add(id);
    return found;
  }
}

/** Leaves no tombstones. */
class Forgets extends MapStore {
  protected override bury(id: string): void {
    this.sessions.delete(id);
  }
}

/** Reads a session as it was the first time. */
class ReadsOnce extends SessionStoreDecorator {
  readonly #read = new Map<string, SessionRecord>();

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    const found = await super.doRead(id);
    if (!found) return undefined;
    if (!this.#read.has(id)) this.#read.set(id, found);
    return this.#read.get(id);
  }
}

const mixed = { isForeign: false, moves: [false, true, true] };

describe('the simulation notices', () => {
  it.each<[string, keyof Outcome, Simulated]>([
    [
      'that a session is not looked up again that was in neither store',
      'missed',
      { ...mixed, wrong: { target: (store) => new MissesAgain(store) } },
    ],
    ['that a slow mover finds no tombstone', 'revived', { ...mixed, wrong: { Target: Forgets } }],
    [
      'that a change is not brought which was made while the session moved',
      'lost',
      { ...mixed, wrong: { source: (store) => new ReadsOnce(store) } },
    ],
  ])('%s', async (_, what, simulated) => {
    const outcome = await simulate(simulated, ROUNDS, what);
    expect(outcome[what]).toBeGreaterThan(0);
  });
});
