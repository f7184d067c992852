import { randomUUID } from 'node:crypto';
import { MemoryStore } from 'express-session';
import {
  MigratingStore,
  NO_SECRET_HASH,
  type SessionRecord,
  type SessionStore,
} from 'nestjs-session-stores/store';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { Random } from '../http/random.js';
import { aRecord } from '../record.js';
import { MapStore } from '../stores/map.store.js';
import { SimulatedUse } from './simulated.use.js';
import { SteppedStore } from './stepped.store.js';

/** What a simulation is about. */
export interface Simulated {
  /** Whether the sessions come from an express-session store. */
  isForeign: boolean;
  /** Whether the store from which they move is itself one to which they move from a third. */
  isChain?: boolean;
  /** Whether each of the processes moves sessions; `'only to the first'` if it does not know the last store of a chain. */
  moves: (boolean | 'only to the first')[];
  /** What is wrong with one of the stores. */
  wrong?: { Target?: typeof MapStore; target?: Decorate; source?: Decorate };
}

type Decorate = (store: SessionStore) => SessionStore;

/** How many sessions went wrong. */
export interface Outcome {
  /** Live sessions that were not found. */
  missed: number;
  /** Sessions that are live after a call that ended them has resolved. */
  revived: number;
  /** Changes that were acknowledged, and are not in the session. */
  lost: number;
  /** Live sessions that are not in their groups once, or in one that they have left. */
  misplaced: number;
  /** Live sessions that have moved, and are in the old store as well. */
  left: number;
}

export const NOTHING_WRONG: Outcome = { missed: 0, revived: 0, lost: 0, misplaced: 0, left: 0 };

/** How many rounds run at once: in many of them a process waits for another one that moves the session. */
const AT_ONCE = 20;

/**
 * Runs so many rounds: in each, several processes use one session in parallel while it moves.
 *
 * @param until what is enough to be noticed once; default: all rounds run
 */
export async function simulate(what: Simulated, rounds: number, until?: keyof Outcome): Promise<Outcome> {
  const outcome = { ...NOTHING_WRONG };
  for (let round = 0; round < rounds; round += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, (_, more) => play(what, randomFrom(round + more), outcome));
    await Promise.all(some);
    if (until && outcome[until] > 0) break;
  }
  return outcome;
}

/** Random numbers below a bound, the same for the same seed. */
function randomFrom(seed: number): (bound: number) => number {
  const random = new Random(seed);
  return (bound) => random.between(0, bound);
}

async function play(what: Simulated, random: (below: number) => number, outcome: Outcome): Promise<void> {
  const memory = new MemoryStore();
  const { isChain = false } = what;
  const maps = (): Shared => [new Map(), new Map()];
  const [old, middle, target] = [maps(), maps(), maps()];
  const sourceOf = (): SessionStore => (what.isForeign ? fromExpressStore(memory) : new MapStore(...old));
  const groupsOf = what.isForeign ? (): string[] => ['g'] : undefined;
  const process = (
    move: Simulated['moves'][number],
    steps?: (below: number) => number,
    { Target = MapStore, target: inTarget = same, source: inSource = same } = (steps && what.wrong) ?? {},
  ): MigratingStore => {
    const stepped = (store: SessionStore): SessionStore => (steps ? new SteppedStore(store, steps) : store);
    const source = inSource(stepped(sourceOf()));
    const first = (): MigratingStore =>
      new MigratingStore(stepped(new MapStore(...middle)), { store: source, move: true, groupsOf });
    if (move === 'only to the first') return first();
    const last = inTarget(stepped(new Target(...target)));
    return isChain
      ? new MigratingStore(last, { store: first(), move })
      : new MigratingStore(last, { store: source, move, groupsOf });
  };
  const processes = what.moves.map((move) => process(move, random));
  const record: SessionRecord = aRecord(randomUUID(), {
    data: { a: '0' },
    groups: what.isForeign ? [] : ['g'],
  });
  if (what.isForeign) record.secretHash = NO_SECRET_HASH;
  await sourceOf().create(record);

  const use = new SimulatedUse(record, outcome, {
    isForeign: what.isForeign,
    areAllLate: !what.moves.includes(false),
  });
  const actors = 2 + random(4);
  const mayEnd = random(2) === 0;
  await Promise.all(
    Array.from({ length: actors }, async (_, actor) => {
      const store = processes[random(processes.length)]!;
      for (let times = 1 + random(3); times > 0; times--) {
        if (mayEnd && random(5) === 0) await use.end(store, random(4));
        else if (mayEnd && random(8) === 0) await use.logIn(store, `${actor}.${times}`);
        else if (random(4) === 0) await use.act(store, `${actor}.${times}`, random(3));
        else await use.change(store, `${actor}.${times}`);
      }
    }),
  );
  const sources = [sourceOf(), ...(isChain ? [new MapStore(...middle)] : [])];
  await use.check(process(true), sources);
}

type Shared = [Map<string, SessionRecord>, Map<string, any>];

const same: Decorate = (store) => store;
