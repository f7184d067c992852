import { Redis } from 'ioredis';
import { afterAll } from 'vitest';
import { startRedis } from '../servers/redis.mjs';
import type { Server } from '../servers/server.mjs';

/** A separate server for the spec and a client of it, which are stopped after its last test. */
export async function ownServer(): Promise<{ server: Server; direct: Redis }> {
  const server = await startRedis();
  const direct = new Redis(server.url);
  afterAll(async () => {
    direct.disconnect();
    await server.stop();
  });
  return { server, direct };
}
