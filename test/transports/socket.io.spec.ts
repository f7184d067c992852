import { IoAdapter } from '@nestjs/platform-socket.io';
import { withSessions } from 'nestjs-session-stores/sockets';
import { connectIo } from '../sockets/clients.js';
import { expectSessions } from './expectations.js';
import { socketTransport } from './socket.account.js';

expectSessions(
  socketTransport(
    'Socket.IO',
    (app) => app.useWebSocketAdapter(withSessions(new IoAdapter(app), app)),
    async (url, cookie) => {
      const client = await connectIo(url, { cookie });
      return {
        send: (event, data) => client.emit(event, data),
        onReply: (take) => client.on('reply', take),
        onClosed: (closed) => client.on('disconnect', closed),
        close: () => client.close(),
      };
    },
  ),
);
