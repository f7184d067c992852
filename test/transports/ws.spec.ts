import { WsAdapter } from '@nestjs/platform-ws';
import { withSessions } from 'nestjs-session-stores/sockets';
import { connectWs } from '../sockets/clients.js';
import { expectSessions } from './expectations.js';
import { socketTransport } from './socket.account.js';

expectSessions(
  socketTransport(
    'ws',
    (app) => app.useWebSocketAdapter(withSessions(new WsAdapter(app), app)),
    async (url, cookie) => {
      const client = await connectWs(url, { cookie });
      return {
        send: (event, data) => client.send(JSON.stringify({ event, data })),
        onReply: (take) => client.on('message', (text) => take(JSON.parse(String(text)).data)),
        onClosed: (closed) => client.on('close', closed),
        close: () => client.close(),
      };
    },
  ),
);
