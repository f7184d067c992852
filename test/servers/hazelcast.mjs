export { startHazelcast } from './hazelcast.cluster.mjs';
