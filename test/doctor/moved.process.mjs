// Examines stores in a process whose clock was moved: `node moved.process.mjs <milliseconds> <options by store>`.
import { moveClock } from '../moved-clock.mjs';

const [moved, options] = process.argv.slice(2);
moveClock(Number(moved));

const { examine } = await import('nestjs-session-stores/doctor');
const { HazelcastStore } = await import('nestjs-session-stores/stores/hazelcast');
const { MongoStore } = await import('nestjs-session-stores/stores/mongo');
const { RedisStore } = await import('nestjs-session-stores/stores/redis');
const { redis, mongo, hazelcast } = JSON.parse(options);
const findings = [];
for (const store of [new RedisStore(redis), new MongoStore(mongo), new HazelcastStore(hazelcast)])
  for await (const finding of examine({ store })) findings.push(finding);
process.send(findings);
process.disconnect();
