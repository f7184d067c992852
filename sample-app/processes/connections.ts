import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The connections of `server`, to be ended, each once its request is answered: `server.close()` waits
 * for those that never send one, as browsers hold in reserve.
 */
export function connectionsOf(server: Server): { end(): void } {
  const idle = new Set<Socket>();
  let isEnding = false;

  server.on('connection', (socket: Socket) => {
    idle.add(socket);
    socket.once('close', () => idle.delete(socket));
  });
  server.on('request', ({ socket }, res) => {
    idle.delete(socket);
    res.once('close', () => {
      if (isEnding) socket.end();
      else if (!socket.destroyed) idle.add(socket);
    });
  });
  return {
    end() {
      isEnding = true;
      for (const socket of idle) socket.destroy();
    },
  };
}
