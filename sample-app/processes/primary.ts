import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import { relayOutages } from './outages.js';
import { keptSecret, randomSecret } from './secret.js';
import { readSettings } from './settings.js';
import { keepWorkers } from './workers.js';

/** Starts the workers, and holds the sessions of those that use `ClusterStore`. */
export async function start(): Promise<void> {
  const settings = readSettings(process.env);
  const { workers, host, port, store, directory, idleTimeout, maxDevices, secret, adminPassword } = settings;
  const freePort = await findPort(host, port);
  const password = adminPassword ?? randomBytes(12).toString('base64url');
  // Without this, the workers would start before there are sessions.
  await serveSessions({ directory: store === 'cluster' ? directory : undefined }).opened;
  relayOutages();

  const lines = [`http://${shown(host)}:${freePort} is served by ${workers} workers, STORE=${store}`];
  if (adminPassword === undefined) lines[0] += `; the admin's password is ${password}`;
  if (secret === undefined) {
    lines.push(
      directory === undefined
        ? 'SESSION_SECRET is not set: a random one signs the cookies, until this process ends.'
        : `SESSION_SECRET is not set: the one in ${join(directory, 'secret')} signs the cookies.`,
    );
  }
  keepWorkers({
    count: workers,
    env: {
      HOST: host,
      PORT: String(freePort),
      STORE: store,
      IDLE_TIMEOUT: String(idleTimeout),
      MAX_DEVICES: String(maxDevices),
      SESSION_SECRET: secret ?? (directory === undefined ? randomSecret() : await keptSecret(directory)),
      ADMIN_PASSWORD: password,
    },
    onReady: () => console.log(lines.join('\n')),
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
