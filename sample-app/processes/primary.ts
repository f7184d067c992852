import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import { readSettings } from './settings.js';
import { keepWorkers } from './workers.js';

/** Starts the workers, and holds the sessions of those that use `ClusterStore`. */
export async function start(): Promise<void> {
  const { workers, host, port, store, secret } = readSettings(process.env);
  const freePort = await findPort(host, port);
  serveSessions();

  keepWorkers({
    count: workers,
    env: { HOST: host, PORT: String(freePort), STORE: store, SESSION_SECRET: secret },
    onReady: () =>
      console.log(`http://${shown(host)}:${freePort} is served by ${workers} workers, STORE=${store}`),
  });
}

/**
 * The port, once it is known to be free; for 0 a free one. It is chosen here and not by a worker, because workers
 * that ask for 0 share a port that is lost when all of them die.
 */
async function findPort(host: string, port: number): Promise<number> {
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const problem = code === 'EADDRINUSE' ? 'another program listens there' : String(code);
    throw new Error(`${host}:${port} cannot be used (${problem}): choose another PORT or HOST`, {
      cause,
    });
  } finally {
    server.close();
  }
}

function shown(host: string): string {
  if (['127.0.0.1', '0.0.0.0', '::', '::1'].includes(host)) return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
