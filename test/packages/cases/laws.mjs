import { nodes } from '../nodes.mjs';
import { sharedHazelcast, sharedMongo, sharedRedis } from '../../servers/shared.mjs';

/** How to get the servers of each store. */
const SERVERS = {
  cluster: async () => ({ address: {}, stop: async () => {} }),
  redis: sharedRedis,
  mongo: sharedMongo,
  hazelcast: sharedHazelcast,
};

export const laws = {
  name: 'Laws',
  async setup(project, tarball) {
    await project.write({ 'package.json': { name: 'app', private: true } });
    await project.copy('laws/laws.mjs', 'laws.mjs');
    await project.install('ioredis@^6', 'mongoose@^9', 'hazelcast-client@~5.6', tarball);
  },
  cases: Object.entries(SERVERS).flatMap(([store, start]) =>
    nodes.each(`${store} keeps every law`, async (project) => {
      const { address, line, stop } = await start();
      try {
        const { stdout } = await project.runNode('laws.mjs', store, JSON.stringify(address));
        return [stdout.trim(), line].filter(Boolean).join(', ');
      } finally {
        await stop();
      }
    }),
  ),
};
