import type { SessionRecord } from 'nestjs-session-stores';

/** A record that lives for an hour. */
export function aRecord(key: string, some: Partial<SessionRecord> = {}): SessionRecord {
  const now = Date.now();
  return {
    key,
    proof: 'proof',
    data: { a: '1' },
    groups: [],
    createdAt: now,
    expiresAt: now + 3_600_000,
    ...some,
  };
}
