import { table } from './format.mjs';

/** What to know before more machines are added, in front of the figures that show it. */
export const PLANNING = [
  'How to plan for several machines: which nodes a call reaches, and which resource is used up first.',
  table(
    ['backend', 'calls of one session', 'calls of a group, or of all', 'used up first', 'what helps'],
    [
      [
        'Redis Cluster',
        'one command on one node',
        'every node: 16 commands or more',
        'the one thread of the node with the most shards',
        'primaries, up to 16',
      ],
      [
        'MongoDB replica set',
        'one command on the primary',
        'one command on the primary, a few to clear',
        'the primary',
        'a larger machine: members make sessions safer, not faster',
      ],
      [
        'Hazelcast',
        'one to three operations on the member that owns the session, and its backup',
        'every member',
        'the heap, then calls of groups',
        'members, for all but calls of groups',
      ],
    ],
  ),
  [
    'By these figures, N nodes carry:',
    '- **Redis Cluster**: what one server carries, divided by the share of the busiest node. Sessions are in 16 shards, so this share is ⌈16 / N⌉ / 16: 38 % with 3 primaries, 25 % with 4 or 5, 19 % with 6 or 7, 13 % with 8 to 15, and 6 % with 16. A seventh primary gains nothing, nor does a seventeenth. A group is counted, listed and cleared by each shard, so from one server to a Cluster this takes 16 commands instead of one, and no more with more nodes.',
    '- **MongoDB**: what the primary carries. A write waits for the fastest majority, so a member that is far away adds its round trip if a majority needs it. Sharded clusters are not supported.',
    '- **Hazelcast**: calls of one session times N. The heap of all members must hold the sessions and their backups: see [memory](memory.md). Clearing, listing and counting cost every member an operation, so they do not get faster.',
    '- **Connections**, times the number of processes, must stay below what a node accepts. A process opens one to each primary of a Redis Cluster or member of Hazelcast, and one more for the feed of Redis. To MongoDB it opens one or two to each member, and as many as calls are in flight to the primary, up to `maxPoolSize` (100).',
    '- **With the feed**, which the cache and open connections use, each write is also published. Redis passes a message on to all nodes of a Cluster, and each process that listens probes each shard four times a second.',
  ].join('\n'),
].join('\n\n');
