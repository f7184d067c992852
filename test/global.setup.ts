import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { sharedHazelcast, sharedMongo, sharedRedis, sharedRedisCluster } from './servers/shared.mjs';

declare module 'vitest' {
  /** The addresses of the servers of this run, which specs `inject`. */
  interface ProvidedContext {
    redis: { url: string };
    redisCluster: { nodes: { host: string; port: number }[] };
    mongo: { url: string };
    hazelcast: { clusterName: string; members: string[] };
  }
}

/** Builds the package, so that specs test the build and not the sources, and starts the servers that specs share. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [redis, redisCluster, mongo, hazelcast] = await Promise.all([
    sharedRedis(),
    sharedRedisCluster(),
    sharedMongo(),
    sharedHazelcast(),
    build(),
  ]);
  project.provide('redis', redis.address);
  project.provide('redisCluster', redisCluster.address);
  project.provide('mongo', mongo.address);
  project.provide('hazelcast', hazelcast.address);

  const servers = [redis, redisCluster, mongo, hazelcast];
  for (const { line } of servers) console.log(line);
  return async () => void (await Promise.all(servers.map(({ stop }) => stop())));
}

async function build(): Promise<void> {
  await promisify(execFile)('npx', ['nest', 'build']).catch((error: { stdout: string; stderr: string }) => {
    throw new Error(`nest build failed:\n${error.stdout}${error.stderr}`);
  });
}
