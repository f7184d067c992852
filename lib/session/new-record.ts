import type { SessionRecord } from '../contract/record.js';
import type { DataChange } from './data.js';
import type { GroupChange } from './groups.js';

/** What a new session is made of. Instants are in epoch milliseconds. */
export interface NewSession {
  id: string;
  secretHash: string;
  /** Its data, with the text of its cookie, as a change of no data. */
  data: DataChange | undefined;
  groups: GroupChange | undefined;
  createdAt: number;
  expiresAt: number;
  /** The sessions that it came from: their ids. */
  origins?: readonly string[];
}

/** The record of a session that is stored for the first time. */
export function newRecord({ data, groups, origins = [], ...others }: NewSession): SessionRecord {
  return {
    ...others,
    data: { __proto__: null, ...data?.set } as unknown as Record<string, string>,
    groups: groups?.join ?? [],
    ...(origins.length > 0 && { from: [...origins] }),
  };
}
