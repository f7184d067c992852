import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Finds a free port of this machine whose cluster bus port, 10 000 above it, is free too. Both are below the range of
 * ephemeral ports, so that a server that was stopped can use its port again. Another run may find the same port: the
 * one that fails to listen must try another.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(10_000, 22_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

/** @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
