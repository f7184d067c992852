import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hazelcastProgram } from './hazelcast.program.mjs';
import { newFolder } from './kept.mjs';
import { freePort } from './ports.mjs';
import { Server } from './server.mjs';

/**
 * Starts a cluster with a unique name, and waits until its members have found each other.
 *
 * @param {{ members?: number, heap?: string, eventThreads?: number, collector?: 'Serial' | 'G1', maps?: object }}
 *   [options] `heap` in the format of Java's -Xmx. The default holds some 100 000 small sessions. `collector` is G1 for
 *   large heaps, for which the default stops a member for seconds. `maps` are the configurations of maps by their names
 * @returns {Promise<{ clusterName: string, addresses: string[], members: Server[], stop(): Promise<void> }>}
 */
export async function startHazelcast({
  members: count = 1,
  heap = '256m',
  eventThreads = 1,
  collector = 'Serial',
  maps,
} = {}) {
  const clusterName = `sessions-${crypto.randomUUID()}`;
  const program = await hazelcastProgram();
  for (let attempt = 1; ; attempt++) {
    // Each member must know the ports of all before it starts.
    const ports = await freePorts(count);
    const addresses = ports.map((port) => `127.0.0.1:${port}`);
    const kind = {
      program,
      args: ({ port, folder }) => memberArgs(port, folder, { heap, eventThreads, collector }),
      url: (port) => `127.0.0.1:${port}`,
      files: (port) => ({ 'hazelcast.yaml': memberConfig(clusterName, port, addresses, maps) }),
    };
    const members = [];
    const stop = async () => void (await Promise.all(members.map((member) => member.stop())));
    try {
      for (const port of ports) {
        const joined = new RegExp(`Members \\{size:${members.length + 1},`);
        const ready = ({ folder }) => hasLogged(folder, members.length < 1 ? /is STARTED/ : joined);
        const member = new Server({ ...kind, ready }, port, await newFolder());
        await member.start({ empty: true });
        members.push(member);
      }
      return { clusterName, addresses, members, stop };
    } catch (error) {
      await stop();
      if (attempt === 5 || !/already in use/i.test(error.message)) throw error;
    }
  }
}

async function freePorts(count) {
  const ports = new Set();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

/** Checks the log, because this project has no means but the client to query a member. */
async function hasLogged(folder, pattern) {
  return pattern.test(await readFile(join(folder, '../output'), 'utf8'));
}

function memberArgs(port, folder, { heap, eventThreads, collector }) {
  const internals = [
    ['--add-modules', 'java.se'],
    ['--add-exports', 'java.base/jdk.internal.ref=ALL-UNNAMED'],
    ...[
      'java.base/java.lang',
      'java.base/java.nio',
      'java.base/sun.nio.ch',
      'java.management/sun.management',
      'jdk.management/com.sun.management.internal',
    ].map((name) => ['--add-opens', `${name}=ALL-UNNAMED`]),
  ].flat();
  const properties = {
    'java.net.preferIPv4Stack': true,
    'hazelcast.config': join(folder, 'hazelcast.yaml'),
    'hazelcast.phone.home.enabled': false,
    'hazelcast.socket.bind.any': false,
    'hazelcast.local.localAddress': '127.0.0.1',
    'hazelcast.wait.seconds.before.join': 0,
    'hazelcast.max.wait.seconds.before.join': 0,
    // As few resources as possible, for a busy machine with two processors.
    'hazelcast.partition.count': 31,
    'hazelcast.operation.thread.count': 2,
    'hazelcast.io.thread.count': 1,
    'hazelcast.event.thread.count': eventThreads,
    'hazelcast.health.monitoring.level': 'OFF',
    'hazelcast.logging.type': 'jdk',
    // Each second, expired entries of all partitions are removed, so that specs can observe it.
    'hazelcast.internal.map.expiration.task.period.seconds': 1,
    'hazelcast.internal.map.expiration.cleanup.percentage': 100,
    'hazelcast.internal.map.expiration.cleanup.operation.count': 31,
  };
  return [
    '-Xms64m',
    `-Xmx${heap}`,
    `-XX:+Use${collector}GC`,
    '-XX:TieredStopAtLevel=1',
    ...internals,
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    'com.hazelcast.core.server.HazelcastMemberStarter',
  ];
}

/** JSON is YAML. */
function memberConfig(clusterName, port, addresses, maps) {
  return JSON.stringify({
    hazelcast: {
      'cluster-name': clusterName,
      network: {
        port: { port, 'auto-increment': false },
        interfaces: { enabled: true, interfaces: ['127.0.0.1'] },
        join: {
          'auto-detection': { enabled: false },
          multicast: { enabled: false },
          'tcp-ip': { enabled: true, 'member-list': addresses },
        },
      },
      jet: { enabled: false },
      metrics: { enabled: false },
      // The fallback for a write without its own lifetime, so that specs can detect one.
      map: { default: { 'backup-count': 1, 'time-to-live-seconds': 86_400 }, ...maps },
    },
  });
}
