import { once } from 'node:events';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

/** The headers of a handshake. */
export type Headers = Record<string, string>;

/** Connects a Socket.IO client, which is closed after the test. */
export async function connectIo(
  url: string,
  headers: Headers = {},
  options: Partial<ManagerOptions & SocketOptions> = {},
): Promise<Socket> {
  const client = io(url, {
    extraHeaders: headers,
    forceNew: true,
    reconnection: false,
    transports: ['websocket'],
    ...options,
  });
  onTestFinished(() => void client.close());
  await new Promise<void>((resolve, reject) => {
    client.once('connect', resolve);
    client.once('connect_error', reject);
  });
  return client;
}

/** Connects a plain WebSocket client, which is closed after the test. */
export async function connectWs(url: string, headers: Headers = {}, path = '/'): Promise<WebSocket> {
  const client = new WebSocket(`${url.replace(/^http/, 'ws')}${path}`, { headers });
  onTestFinished(() => client.terminate());
  await once(client, 'open');
  return client;
}
