import { valuesOf, type SessionRecord } from '../contract/record.js';
import { clientIn, type SessionClient } from './seen.js';
import type { SessionData } from './session-data.js';

/** What `SessionService` shows of a session, without its secret hash. Deeply frozen. */
export interface SessionView {
  readonly id: string;
  /** The data as a handler sees it, without the cookie. A value that is not valid JSON in the store is left out. */
  readonly data: Readonly<Partial<Omit<SessionData, 'cookie'>> & Record<string, unknown>>;
  readonly groups: readonly string[];
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Epoch milliseconds; 8.64e15 if the session never expires. */
  readonly expiresAt: number;
  /** The name that its user gave it. `undefined` if it has none. */
  readonly label: string | undefined;
  /**
   * When a request last used it, in epoch milliseconds: exact for requests that wrote to it, up to five minutes early for
   * others. `undefined` without the option `client`.
   */
  readonly lastSeenAt: number | undefined;
  /** Its first client, and the last one that was recorded. `undefined` without the option `client`. */
  readonly client: { readonly first: SessionClient; readonly last: SessionClient } | undefined;
}

export function viewOf(record: SessionRecord): SessionView {
  const { id, data, groups, createdAt, expiresAt, label, lastSeenAt, client } = record;
  return Object.freeze({
    id,
    data: freeze(valuesOf(data)) as SessionView['data'],
    groups: Object.freeze([...groups]),
    createdAt,
    expiresAt,
    label,
    lastSeenAt,
    client:
      client &&
      (freeze({ first: clientIn(client.first), last: clientIn(client.last) }) as SessionView['client']),
  });
}

function freeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
