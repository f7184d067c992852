import { randomUUID } from 'node:crypto';
import { MemoryStore } from 'express-session';
import {
  MigratingStore,
  NO_SECRET_HASH,
  type SessionRecord,
  type SessionStore,
} from 'nestjs-session-stores/store';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { aRecord } from '../record.js';
import { MapStore } from '../stores/map.store.js';
import { randomFrom, SteppedStore } from './stepped.store.js';

/** What a simulation is about. */
export interface Simulated {
  /** Whether the sessions come from an express-session store. */
  isForeign: boolean;
  /** Whether each of the processes moves sessions. */
  moves: boolean[];
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
  /** Live sessions that are not in their group once. */
  misplaced: number;
}

/** Runs so many rounds: in each, several processes use one session in parallel while it moves. */
export async function simulate(what: Simulated, rounds: number): Promise<Outcome> {
  const outcome: Outcome = { missed: 0, revived: 0, lost: 0, misplaced: 0 };
  for (let round = 0; round < rounds; round++) await play(what, randomFrom(round), outcome);
  return outcome;
}

async function play(what: Simulated, random: (below: number) => number, outcome: Outcome): Promise<void> {
  const memory = new MemoryStore();
  const [old, target] = [new Map(), new Map()].map((map) => [map, new Map()] as const) as [Shared, Shared];
  const sourceOf = (): SessionStore => (what.isForeign ? fromExpressStore(memory) : new MapStore(...old));
  const process = (move: boolean, random?: (below: number) => number): MigratingStore => {
    const stepped = (store: SessionStore): SessionStore => (random ? new SteppedStore(store, random) : store);
    const {
      Target = MapStore,
      target: inTarget = same,
      source: inSource = same,
    } = (random && what.wrong) ?? {};
    return new MigratingStore(inTarget(stepped(new Target(...target))), {
      store: inSource(stepped(sourceOf())),
      move,
      groupsOf: what.isForeign ? () => ['g'] : undefined,
    });
  };
  const processes = what.moves.map((move) => process(move, random));
  const record: SessionRecord = aRecord(randomUUID(), {
    data: { a: '0' },
    groups: what.isForeign ? [] : ['g'],
  });
  if (what.isForeign) record.secretHash = NO_SECRET_HASH;
  await sourceOf().create(record);

  const use = new Use(record, outcome, what.isForeign);
  const actors = 2 + random(4);
  const mayEnd = random(2) === 0;
  await Promise.all(
    Array.from({ length: actors }, async (_, actor) => {
      const store = processes[random(processes.length)]!;
      for (let times = 1 + random(3); times > 0; times--) {
        if (mayEnd && random(5) === 0) await use.end(store, random(4));
        else await use.change(store, `${actor}.${times}`);
      }
    }),
  );
  await use.check(process(true), sourceOf());
}

type Shared = [Map<string, SessionRecord>, Map<string, never>];

const same: Decorate = (store) => store;

/** The requests that use one session, and what must be true of it after them. */
class Use {
  /** How many calls that end the session have been sent, and how many of them have resolved. */
  #ending = 0;
  #ended = 0;
  /** Whether it must not be seen any more. */
  #isGone = false;
  readonly #acknowledged = new Set<string>();

  constructor(
    private readonly record: SessionRecord,
    private readonly outcome: Outcome,
    private readonly isForeign: boolean,
  ) {}

  async change(store: SessionStore, name: string): Promise<void> {
    const { id } = this.record;
    const wasGone = this.#isGone;
    const found = await store.read(id);
    if (!found) {
      if (this.#ending === 0) this.outcome.missed++;
      return;
    }
    if (wasGone) this.outcome.revived++;
    const updated = await store.update(found, { set: { [name]: '1' } });
    if (updated) this.#acknowledged.add(name);
    else if (this.#ending === 0) this.outcome.missed++;
  }

  async end(store: SessionStore, way: number): Promise<void> {
    const { id } = this.record;
    this.#ending++;
    if (way === 0) await store.destroy(id);
    else if (way === 1) await store.clear('g');
    else if (way === 2) await store.regenerate(id);
    else await store.update({ id }, { expiresAt: Date.now() - 1 });
    this.#ended++;
    // A slow write to an express-session store brings back a session that was regenerated, until the writer has noticed it.
    if (way !== 2 || !this.isForeign) this.#isGone = true;
  }

  /** Counts what is wrong when everything has settled. */
  async check(store: SessionStore, source: SessionStore): Promise<void> {
    const { id } = this.record;
    const isOver = this.#ended > 0;
    const members = await store.page({ group: 'g', limit: 10 });
    const found = await store.read(id);
    // What is left in the old store would be live again once the tombstone is gone.
    if (isOver && (found || (await source.read(id)))) this.outcome.revived++;
    if (!isOver && !found) this.outcome.missed++;
    if (members.records.length !== (isOver ? 0 : 1)) this.outcome.misplaced++;
    if (isOver || !found) return;
    for (const name of this.#acknowledged) if (found.data[name] !== '1') this.outcome.lost++;
  }
}
