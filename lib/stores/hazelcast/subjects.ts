/** What an examination of Hazelcast is about. */
export const SUBJECTS = {
  connection: 'Hazelcast connection',
  members: 'Hazelcast members',
  client: 'Hazelcast client',
  clock: 'Hazelcast clock',
  lifetime: 'Hazelcast time to live',
  idle: 'Hazelcast maximum idle time',
  backups: 'Hazelcast backups',
  eviction: 'Hazelcast eviction',
  splitBrain: 'Hazelcast split-brain protection',
  traces: 'Hazelcast traces',
} as const;
