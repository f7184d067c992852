import { copyData, type SessionChange, type SessionRecord } from '../contract/record.js';
import type { DataChange } from './data.js';
import type { GroupChange } from './groups.js';
import { firstUse } from './seen.js';

/** The parts of a new session. Instants are in epoch milliseconds. */
export interface NewSession {
  id: string;
  secretHash: string;
  /** Its data, including the serialized cookie, as a change of an empty session. */
  data: DataChange | undefined;
  groups: GroupChange | undefined;
  createdAt: number;
  expiresAt: number;
  /** The ids of the sessions that it came from. */
  origins?: readonly string[];
  label?: string | undefined;
  /** Its first use, if that is recorded. */
  seen?: SessionChange['seen'];
}

/** The record of a session that is stored for the first time. */
export function newRecord({ data, groups, origins = [], label, seen, ...others }: NewSession): SessionRecord {
  return {
    ...others,
    data: copyData(data?.set ?? {}),
    groups: groups?.join ?? [],
    ...(origins.length > 0 && { from: [...origins] }),
    ...(label && { label }),
    ...firstUse(seen),
  };
}
