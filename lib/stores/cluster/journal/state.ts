import type { SessionRecord } from '../../../contract/record.js';
import { applyDelta, decodeRecord, encodeRecord, type JournalEntry } from './entries.js';

/** A tombstone as the journal has it. `groups` is `undefined` unless the session was regenerated. */
export interface JournaledTombstone {
  readonly id: string;
  readonly until: number;
  readonly groups: readonly string[] | undefined;
}

/** The sessions and tombstones of a name. */
export interface JournaledSessions {
  readonly records: readonly SessionRecord[];
  readonly tombstones: readonly JournaledTombstone[];
}

/** The sessions and tombstones of all names, by name. */
export type JournaledState = ReadonlyMap<string, JournaledSessions>;

interface Named {
  records: Map<string, SessionRecord>;
  tombstones: Map<string, JournaledTombstone>;
}

/** Builds the sessions from the entries of a journal. */
export class Replay {
  private readonly names = new Map<string, Named>();

  /** Applies the next entry. Returns whether it fits the entries before it. */
  apply(entry: JournalEntry): boolean {
    const { records, tombstones } = this.named(entry[1]);
    switch (entry[0]) {
      case 'put': {
        const record = decodeRecord(entry[2]);
        records.set(record.id, record);
        return true;
      }
      case 'change': {
        const record = records.get(entry[2]);
        if (record) applyDelta(record, entry[3]);
        return record !== undefined;
      }
      case 'end': {
        const [, , id, until, groups] = entry;
        records.delete(id);
        tombstones.set(id, { id, until, groups: groups ?? undefined });
        return true;
      }
      case 'drop':
        return records.delete(entry[2]);
      default:
        return false;
    }
  }

  /** All that is live at `now`: the sessions in the order in which they were created, the oldest tombstones first. */
  stateAt(now: number): JournaledState {
    const state = new Map<string, JournaledSessions>();
    for (const [name, { records, tombstones }] of this.names) {
      state.set(name, {
        records: [...records.values()].filter(({ expiresAt }) => expiresAt > now),
        tombstones: [...tombstones.values()]
          .filter(({ until }) => until > now)
          .toSorted((one, other) => one.until - other.until),
      });
    }
    return state;
  }

  private named(name: string): Named {
    let named = this.names.get(name);
    if (!named) this.names.set(name, (named = { records: new Map(), tombstones: new Map() }));
    return named;
  }
}

/** How many sessions and tombstones there are. */
export function sizeOf(state: JournaledState): number {
  let size = 0;
  for (const { records, tombstones } of state.values()) size += records.length + tombstones.length;
  return size;
}

/** The entries of which `Replay` makes this state: `sizeOf(state)` of them. */
export function* entriesOf(state: JournaledState): Generator<JournalEntry> {
  for (const [name, { records, tombstones }] of state) {
    for (const { id, until, groups } of tombstones) yield ['end', name, id, until, groups ?? null];
    for (const record of records) yield ['put', name, encodeRecord(record)];
  }
}
