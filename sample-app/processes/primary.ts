import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import { relayOutages } from './outages.js';
import { readSettings } from './settings.js';
import { keepWorkers } from './workers.js';

/** Starts the workers, and holds the sessions of those that use `ClusterStore`. */
export async function start(): Promise<void> {
  const { workers, host, port, store, idleTimeout, secret, adminPassword } = readSettings(process.env);
  const freePort = await findPort(host, port);
  const password = adminPassword ?? randomText(12);
  serveSessions();
  relayOutages();

  const lines = [`http://${shown(host)}:${freePort} is served by ${workers} workers, STORE=${store}`];
  if (adminPassword === undefined) lines[0] += `; the admin's password is ${password}`;
  if (secret === undefined) {
    lines.push('SESSION_SECRET is not set: a random one signs the cookies, until this process ends.');
  }
  keepWorkers({
    count: workers,
    env: {
      HOST: host,
      PORT: String(freePort),
      STORE: store,
      IDLE_TIMEOUT: String(idleTimeout),
      SESSION_SECRET: secret ?? randomText(32),
      ADMIN_PASSWORD: password,
    },
    onReady: () => console.log(lines.join('\n')),
  });
}

function randomText(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
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
