// Examines stores in a process whose clock was moved: `node moved.process.mjs <milliseconds> <options by store>`.
const [moved, options] = process.argv.slice(2);
const RealDate = Date;
class MovedDate extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + Number(moved)] : args));
  }
  static now() {
    return RealDate.now() + Number(moved);
  }
}
Reflect.set(globalThis, 'Date', MovedDate);

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
