/** What an examination of Redis is about. */
export const SUBJECTS = {
  connection: 'Redis connection',
  version: 'Redis version',
  eviction: 'Redis eviction',
  memory: 'Redis memory',
  persistence: 'Redis persistence',
  replication: 'Redis replication',
  cluster: 'Redis Cluster',
  clock: 'Redis clock',
  rights: 'Redis rights',
  feed: 'Redis feed',
  traces: 'Redis traces',
} as const;
