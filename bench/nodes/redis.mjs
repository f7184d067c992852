// A Redis Cluster whose nodes count the commands that they are sent.
import { Redis } from 'ioredis';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { startRedisCluster } from '../../test/servers/redis.mjs';
import { until } from '../../test/servers/until.mjs';
import { TIMEOUT } from '../stores/ours.mjs';

/** @param {number} size the number of primaries */
export async function redisNodes(size) {
  const cluster = await startRedisCluster({ size, isReplicated: false });
  const counters = await Promise.all(cluster.nodes.map(({ url }) => Counter.of(url)));
  const newStore = () => new RedisStore({ cluster: { nodes: cluster.nodes }, timeout: TIMEOUT });
  return {
    newStore,
    store: newStore(),
    counts: () => Promise.all(counters.map((counter) => counter.count())),
    async stop() {
      for (const counter of counters) counter.close();
      await cluster.stop();
    },
  };
}

/** Counts what clients send to a node: commands inside scripts are the work of the script. */
class Counter {
  #count = 0;
  #marks = 0;
  #seen = '';

  static async of(url) {
    const client = new Redis(url);
    return new Counter(client, await client.monitor());
  }

  constructor(client, monitor) {
    this.client = client;
    this.monitor = monitor;
    monitor.on('monitor', (_time, [command, text], source) => {
      if (source === 'lua') return;
      if (command.toLowerCase() === 'echo') this.#seen = text;
      else if (!/^(cluster|info|ping|client|hello)$/i.test(command)) this.#count++;
    });
  }

  /** The number so far, after all that was sent before. */
  async count() {
    const mark = `mark ${++this.#marks}`;
    await this.client.echo(mark);
    await until(() => this.#seen === mark, { within: 10_000, what: 'the monitor has reported all commands' });
    return this.#count;
  }

  close() {
    this.client.disconnect();
    this.monitor.disconnect();
  }
}
