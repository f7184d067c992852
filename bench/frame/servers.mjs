// The servers that the benches of a run share. Each starts when the first bench needs it.
import { sharedHazelcast, sharedMongo, sharedRedis } from '../../test/servers/shared.mjs';

const starts = {
  redis: sharedRedis,
  mongo: sharedMongo,
  // New sessions fill the heap of the specs in a minute.
  hazelcast: () => sharedHazelcast({ heap: '3g', collector: 'G1' }),
};

export class Servers {
  #started = new Map();

  /**
   * Starts a server, or connects to the one of the environment.
   *
   * @param {'redis' | 'mongo' | 'hazelcast' | 'cluster'} backend the cluster needs none
   * @returns {Promise<object>} its address
   */
  async address(backend) {
    if (!(backend in starts)) return {};
    if (!this.#started.has(backend)) this.#started.set(backend, starts[backend]());
    return (await this.#started.get(backend)).address;
  }

  /** The name and version of a backend's server without its address, or `undefined` if it has none. */
  async version(backend) {
    return (await this.#started.get(backend))?.line.replace(/ \(.*/, '');
  }

  async stop() {
    await Promise.allSettled([...this.#started.values()].map(async (server) => (await server).stop()));
  }
}
