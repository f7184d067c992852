import { problemOf } from './errors.js';

/** The default of `hazelcast.event.thread.count`: how many threads of a member send its events. */
const STRIPES = 5;
/** The least common multiple of all numbers of threads up to {@link STRIPES}. */
const PERIOD = 60;

/** How many keys are tried, for each partition. One in twelve belongs to a thread that is needed. */
const TRIED = 4 * PERIOD;

/**
 * Keys of a watcher's probes: each member has one for each of its event threads.
 *
 * A member hands the event of an entry to the thread `|hash of the key| % threads`, whatever the map (`EventServiceImpl`
 * and `StripedExecutor` of Hazelcast 5.6). That thread sends its events in order. So an event that was handed over
 * before that of the probe with the same thread was sent before it. The remainders of the hashes are 0 to 4, so that up
 * to five threads have one.
 *
 * Throws if a member has no partition, as just after it has joined, or none for one of the threads.
 *
 * @param name the start of the keys, which no other watcher has. ASCII
 * @param members those that may own partitions
 * @param owners the owner of each partition; `undefined` for one that has none
 */
export function probeKeys(name: string, members: string[], owners: (string | undefined)[]): string[] {
  if (members.length === 0 || !members.every((member) => owners.includes(member)))
    throw problemOf('watch', 'a member owns no partition yet');
  const keys: string[] = [];
  const missing = new Map(members.map((member) => [member, new Set(Array(STRIPES).keys())]));
  for (let count = 0; count < TRIED * owners.length && missing.size > 0; count++) {
    const key = `${name}${count}`;
    const hash = Math.abs(hashOf(key));
    if (hash % PERIOD >= STRIPES) continue;
    const member = owners[hash % owners.length] ?? '';
    const stripes = missing.get(member);
    if (!stripes?.delete(hash % PERIOD)) continue;
    keys.push(key);
    if (stripes.size === 0) missing.delete(member);
  }
  if (missing.size > 0) throw problemOf('watch', 'a member owns too few partitions to be probed');
  return keys;
}

/** The hash by which members spread keys: MurmurHash3 of a key as a client serializes it. The key must be ASCII. */
export function hashOf(key: string): number {
  const bytes = Buffer.allocUnsafe(4 + key.length);
  bytes.writeInt32BE(key.length, 0);
  bytes.write(key, 4, 'latin1');
  const whole = bytes.length & ~3;
  let hash = 0x01000193;
  for (let at = 0; at < whole; at += 4) {
    hash ^= scrambled(bytes.readInt32LE(at));
    hash = (hash << 13) | (hash >>> 19);
    hash = Math.imul(hash, 5) + 0xe6546b64;
  }
  let rest = 0;
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8) | bytes[at]!;
  if (whole < bytes.length) hash ^= scrambled(rest);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function scrambled(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
