import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { describe, expect, it } from 'vitest';
import { Session } from 'nestjs-session-stores';
import { protocols, serveGateways, type Bag, type Protocol } from './gateway.app.js';

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('user')
  user(@Session() session: Bag) {
    return { event: 'user', data: session['user'] ?? null };
  }
}

describe.each(Object.keys(protocols) as Protocol[])(
  'a handshake over %s with a session cookie',
  (protocol) => {
    it('gets its session only from the same host, from listed origins and without an Origin', async () => {
      const { login, connect, url, logged, store } = await serveGateways(protocol, [Gateway], {
        socketOptions: { origins: ['https://app.example.com'] },
      });
      const { browser } = await login();
      const from = async (origin?: string): Promise<unknown> => {
        const client = await connect(browser, origin === undefined ? {} : { origin });
        client.send('user');
        return client.next('user');
      };
      for (const origin of [undefined, url, 'https://app.example.com'])
        expect(await from(origin)).toBe('ann');
      expect(logged).toEqual([]);
      store.take();
      for (const origin of ['https://evil.example.com', 'null', 'https://evil.example.com']) {
        expect(await from(origin)).toBeNull();
      }
      expect(store.take()).toEqual([]);
      expect(logged).toEqual([
        expect.stringContaining('"https://evil.example.com" got no session'),
        expect.stringContaining('"null" got no session'),
      ]);
    });

    it('has no session if an option function of the app throws, which is logged', async () => {
      const { login, connect, logged } = await serveGateways(protocol, [Gateway], {
        cookie: (req) => ({
          path: (req as unknown as { hostname: string }).hostname.replace(/.*/, '/'),
        }),
      });
      const { browser } = await login();
      const client = await connect(browser);
      client.send('user');
      expect(await client.next('user')).toBeNull();
      expect(logged).toContainEqual(expect.stringContaining('an identity failed to read its handshake'));
    });
  },
);
