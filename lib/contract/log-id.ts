import { hash } from 'node:crypto';
import type { SessionStoreCapabilities } from './capabilities.js';

/** How the ids of sessions appear in logs: as they are, or as their SHA-256. */
export type LogIds = 'plain' | 'hashed';

/** Whether ids may be credentials, which are shown as their SHA-256 alone. */
export function hidesIds({ secrets, mixedTokens = false }: SessionStoreCapabilities): boolean {
  return !secrets || mixedTokens;
}

/** A session as a log line names it: its id, or the SHA-256 of that. */
export function idInLog(id: string, logIds: LogIds): string {
  return logIds === 'plain' ? id : `with the SHA-256 ${hashedId(id)}`;
}

/** The SHA-256 of a session id, base64url. */
export function hashedId(id: string): string {
  return hash('sha256', id, 'base64url');
}
