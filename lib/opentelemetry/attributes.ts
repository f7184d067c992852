import type { Attributes } from '@opentelemetry/api';
import type { SessionStoreMessage } from '../contract/diagnostics.js';

/** How the semantic conventions name the system of a store, if not by the store's word. */
const SYSTEMS: Readonly<Record<string, string>> = { mongo: 'mongodb' };

/** Attributes of this package. Those of calls are of the semantic conventions for databases. */
export const OURS = {
  store: 'nestjs_session_stores.store',
  reason: 'nestjs_session_stores.reason',
  outcome: 'nestjs_session_stores.outcome',
  by: 'nestjs_session_stores.by',
} as const;

/** The attributes of a call to a store that has begun or settled. */
export function attributesOf({ store, operation, outcome, error }: SessionStoreMessage): Attributes {
  const attributes: Attributes = {
    'db.system.name': SYSTEMS[store] ?? store,
    'db.operation.name': operation,
  };
  // Of the error only the class: its message may have an address.
  if (outcome === 'timed out') attributes['error.type'] = 'timeout';
  else if (error !== undefined) attributes['error.type'] = error instanceof Error ? error.name : '_OTHER';
  return attributes;
}
