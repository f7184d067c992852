import type { SessionRecord } from 'nestjs-session-stores/store';

/** A record that lives for an hour. */
export function aRecord(id: string, some: Partial<SessionRecord> = {}): SessionRecord {
  const now = Date.now();
  return {
    id,
    secretHash: 'secretHash',
    data: { a: '1' },
    groups: [],
    createdAt: now,
    expiresAt: now + 3_600_000,
    ...some,
  };
}
