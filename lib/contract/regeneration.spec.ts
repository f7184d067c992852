import { describe, expect, it } from 'vitest';

// A model of requests that regenerate sessions while others end them. Each step is one call that a store performs as a
// whole. Every order of the steps is tried, so that what holds here does not depend on timing.

type Tombstone = 'ended' | 'regenerated';

/** A request that regenerates a session, or the call that ends sessions. */
interface Process {
  /** The next step; `''` if it is over. */
  at: string;
  /** The session that a request has loaded, after the sessions which that one succeeded. */
  from: number[];
  /** The place that the walk of a clear has reached. */
  place: number;
}

interface World {
  /** The sessions that are live, each with those that it succeeded. All are in one group. */
  live: Record<number, number[]>;
  tombstones: Record<number, Tombstone>;
  /** The sessions whose tokens clients have. */
  delivered: number[];
  /** The requests that were rejected. */
  rejected: number[];
  processes: Process[];
}

/** How the calls work. Each rule may be switched off, to see what it is for. */
interface Rules {
  /** A tombstone tells whether its session was regenerated. */
  tells: boolean;
  /** A successor is destroyed again if others ended a session that it came from. */
  looks: boolean;
  /** A successor knows all the sessions that it came from, and not only the last. */
  remembers: boolean;
  /** A clear ends the sessions of its group that were regenerated too. */
  marks: boolean;
  /** A clear walks along its group again, and destroys the successors of ended sessions. */
  walksTwice: boolean;
}

const ALL: Rules = { tells: true, looks: true, remembers: true, marks: true, walksTwice: true };

/** The session that is there at first, and its successors: the one of the first request is 1. */
const FIRST = 0;

/** The worlds in which all is over, of those that three requests can lead to, with or without a call that ends sessions. */
function* outcomes(
  ender: 'clear' | 'destroy' | undefined,
  rules: Partial<Rules> = {},
  order: number[] = [],
): Generator<World> {
  const processes = ['load', 'load', 'load', ender ?? ''].map((at): Process => ({ at, from: [], place: 0 }));
  const first: World = {
    live: { [FIRST]: [] },
    tombstones: {},
    delivered: [FIRST],
    rejected: [],
    processes,
  };
  const seen = new Set<string>();
  // As text, which is compared and copied faster.
  const open = [JSON.stringify(first)];
  for (let text = open.pop(); text !== undefined; text = open.pop()) {
    if (seen.has(text)) continue;
    seen.add(text);
    const next = [...processes.keys()].flatMap((index) =>
      steps(text as string, index, { ...ALL, ...rules }, order),
    );
    if (next.length === 0) yield JSON.parse(text) as World;
    for (const world of next) open.push(JSON.stringify(world));
  }
}

/** The worlds after the next step of a process. */
function steps(text: string, index: number, rules: Rules, order: number[]): World[] {
  const world = JSON.parse(text) as World;
  const process = world.processes[index] as Process;
  if (process.at === '') return [];
  if (process.at !== 'load') {
    act(world, process, index + 1, rules, order);
    return [world];
  }
  const found = world.delivered.filter((id) => id in world.live);
  // A client may also never send its request.
  return [undefined, ...found].map((id) => {
    const next = JSON.parse(text) as World;
    const from = id === undefined ? [] : [...(world.live[id] as number[]), id];
    next.processes[index] = { at: id === undefined ? '' : 'regenerate', from, place: 0 };
    return next;
  });
}

/** Performs the next step of a process. `own` is the id of a request's successor. */
function act(world: World, process: Process, own: number, rules: Rules, order: number[]): void {
  const { live, tombstones, delivered, rejected } = world;
  const isEnded = (id: number) => tombstones[id] === 'ended';
  const end = (id: number, as: Tombstone = 'ended') => {
    if (id in live || tombstones[id] === 'regenerated') tombstones[id] = isEnded(id) ? 'ended' : as;
    delete live[id];
  };
  const reject = () => {
    end(own);
    rejected.push(own);
    process.at = '';
  };
  /** Goes on along the order of the group. Returns the next id; `undefined` at the end, where `then` comes next. */
  const walk = (then: string) => {
    const id = order[process.place++];
    if (id === undefined) Object.assign(process, { at: then, place: 0 });
    return id;
  };

  switch (process.at) {
    case 'regenerate': {
      const old = process.from.at(-1) as number;
      if (isEnded(old)) return reject();
      end(old, rules.tells ? 'regenerated' : 'ended');
      process.at = 'create';
      return;
    }
    case 'create':
      live[own] = rules.remembers ? process.from : process.from.slice(-1);
      process.at = 'look';
      return;
    case 'look':
      if (rules.looks && process.from.some(isEnded)) return reject();
      if (own in live) delivered.push(own);
      process.at = '';
      return;
    case 'destroy':
      // Only while a request may be under way: the sessions that clients have by then live on.
      if (delivered.length === 1) end(FIRST);
      process.at = '';
      return;
    case 'clear': {
      const id = walk(rules.walksTwice ? 'clear again' : '');
      if (id !== undefined && (id in live || rules.marks)) end(id);
      return;
    }
    case 'clear again': {
      const id = walk('');
      if (id !== undefined && live[id]?.some(isEnded)) end(id);
    }
  }
}

/**
 * The orders in which a clear may meet the sessions. The requests are alike, so only the place of the first session
 * among its successors matters.
 */
const orders = [0, 1, 2, 3].map((place) => [1, 2, 3].toSpliced(place, 0, FIRST));

/** The first outcome in which a session is left that should have been cleared. */
function cleared(rules?: Partial<Rules>): World | undefined {
  for (const order of orders) {
    for (const world of outcomes('clear', rules, order)) if (Object.keys(world.live).length > 0) return world;
  }
  return undefined;
}

/** The first outcome in which a session is left that came from a destroyed one. */
function destroyed(rules?: Partial<Rules>): World | undefined {
  for (const world of outcomes('destroy', rules)) {
    if (world.tombstones[FIRST] === 'ended' && Object.keys(world.live).length > 0) return world;
  }
  return undefined;
}

/** The first outcome in which a request was rejected although no one has ended a session. */
function refused(rules?: Partial<Rules>): World | undefined {
  for (const world of outcomes(undefined, rules)) if (world.rejected.length > 0) return world;
  return undefined;
}

describe('three requests that regenerate a session, in every order of their steps', () => {
  it('leave no session if its group is cleared meanwhile', () => {
    expect(cleared()).toBeUndefined();
  }, 60_000);

  it('leave no session if it is destroyed meanwhile', () => {
    expect(destroyed()).toBeUndefined();
  });

  it('are never rejected if no one ends the session', () => {
    expect(refused()).toBeUndefined();
  });

  it.each<[string, keyof Rules, (rules: Partial<Rules>) => World | undefined]>([
    ['a clear that would not end what was regenerated', 'marks', cleared],
    ['a clear that would walk only once', 'walksTwice', cleared],
    ['successors that would not look for ended sessions', 'looks', cleared],
    ['successors that would know only the last session', 'remembers', cleared],
    ['successors that would not look for a destroyed session', 'looks', destroyed],
    ['tombstones that would not tell why', 'tells', refused],
  ])('would break this with %s', (_, rule, world) => {
    expect(world({ [rule]: false })).toBeDefined();
  });
});
