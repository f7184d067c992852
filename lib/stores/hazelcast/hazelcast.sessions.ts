import { Aggregators, Predicates } from 'hazelcast-client';
import { problemOf } from './hazelcast.errors.js';
import type { JsonMap, Predicate } from './hazelcast.map.js';
import type { Range } from './hazelcast.places.js';

/** What is asked of all sessions of a prefix, or of a group. Numbers go as texts: members know them as what they are. */
export class SessionQueries {
  constructor(private readonly prefix: string) {}

  /** Sessions of a group, as the index has it, live at `now`. */
  membersAt(group: string, now: number): Predicate {
    return Predicates.and(this.members(group), Predicates.greaterThan('expiresAt', String(now)));
  }

  /** Sessions of a group, as the index has it. */
  members(group: string): Predicate {
    return Predicates.equal('groups[any]', group);
  }

  /** All sessions live at `now`. */
  allAt(now: number): Predicate {
    return Predicates.and(
      Predicates.equal('prefix', this.prefix),
      Predicates.greaterThan('expiresAt', String(now)),
    );
  }

  /** All sessions whose places lie in a range. */
  inRange({ from, to }: Range): Predicate {
    return Predicates.and(
      Predicates.equal('prefix', this.prefix),
      Predicates.between('place', String(from), String(to - 1)),
    );
  }
}

/** The first `limit` keys, in their own order, of the entries that fit, behind the key `after`. */
export function keysAfter(
  map: JsonMap,
  fitting: Predicate,
  after: string | undefined,
  limit: number,
): Promise<string[]> {
  const behind =
    after === undefined ? fitting : Predicates.and(fitting, Predicates.greaterThan('__key', after));
  return map.keys(Predicates.paging(behind, limit));
}

export function countOf(map: JsonMap, fitting: Predicate): Promise<number> {
  return map.count(Aggregators.count(), fitting);
}

/** Adds what the queries need; where it is there already, nothing happens, whoever added it. */
export async function addIndexes(map: JsonMap): Promise<void> {
  try {
    await Promise.all([
      map.addIndex('HASH', 'groups[any]'),
      map.addIndex('SORTED', 'prefix', 'place'),
      map.addIndex('SORTED', 'prefix', 'expiresAt'),
    ]);
  } catch (error) {
    const problem = `the map ${map.name} takes no index: is it free for sessions, and may this client add indexes?`;
    throw problemOf('open', problem, error);
  }
}
