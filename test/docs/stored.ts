import type { SessionRecord } from '../../lib/contract/record.js';
import { pageNamed } from './pages.js';

/** The session that docs/reference/stored-formats.md shows in the format of each store. */
export function documentedRecord(): SessionRecord {
  const data = Object.assign(Object.create(null), { user: '"ada"', cart: '["book"]' }) as Record<
    string,
    string
  >;
  const createdAt = Date.UTC(2026, 0, 1);
  return {
    id: 'rDOGG1qdaCb3kvxZM0kgKTxm_9lEEuVx',
    secretHash: '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU',
    data,
    groups: ['user:ada'],
    createdAt,
    expiresAt: createdAt + 30 * 60_000,
    label: 'Work',
    lastSeenAt: createdAt + 5 * 60_000,
    client: {
      first: '{"ip":"203.0.113.0/24","userAgent":"curl/8.5.0"}',
      last: '{"ip":"2001:db8:1::/48","userAgent":"curl/8.6.0"}',
    },
    joinedAt: createdAt + 500,
  };
}

/** The JSON block of a section of that page. */
export function jsonBlockUnder(title: string): unknown {
  const { sections } = pageNamed('docs/reference/stored-formats.md');
  const [, code] = /```json\n(.*?)```/s.exec(sections.find((one) => one.title === title)!.text)!;
  return JSON.parse(code!) as unknown;
}
