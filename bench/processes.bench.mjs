// An app in two processes, between which the requests of each session alternate.
import { compareGroups } from './apps/compare.mjs';

export const title = 'An app in two processes';
export const topic = 'requests';
export const how =
  'The requests of each connection go to one process and the other in turn. With ClusterStore and strong-cluster-express-store these are workers of a primary that holds the sessions, and its CPU time counts. On two processors, on which the load and the servers run too, two processes do not serve more than one: the figures compare packages.';

const groups = {
  cluster: {
    title: 'Two workers of a cluster',
    subjects: ['strong-cluster-express-store', 'ClusterStore'],
  },
  redis: {
    title: 'Two processes on Redis',
    subjects: ['connect-redis 8', 'connect-redis 9', 'RedisStore', 'RedisStore + cache'],
  },
  mongo: {
    title: 'Two processes on MongoDB',
    subjects: ['connect-mongo 6', 'connect-mongo 6, touchAfter', 'MongoStore', 'MongoStore + cache'],
  },
  hazelcast: {
    title: 'Two processes on Hazelcast',
    subjects: ['hazelcast-store 1', 'HazelcastStore', 'HazelcastStore + cache'],
  },
};

export function run(bench) {
  const scenarios = bench.scale(['read', 'write', 'new session'], ['read', 'write']);
  return compareGroups(groups, { processes: 2, scenarios }, bench);
}
