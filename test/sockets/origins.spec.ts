import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
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

    describe.each(['Express', 'Fastify'])('behind a proxy that %s trusts', (name) => {
      const trusting = (isTrusting: boolean): Parameters<typeof serveGateways>[2] =>
        name === 'Express'
          ? { before: (app) => void (isTrusting && (app as NestExpressApplication).set('trust proxy', 1)) }
          : { platform: new FastifyAdapter({ trustProxy: isTrusting }) };
      const origin = 'https://shop.example.com:8443';

      async function userFrom(isTrusting: boolean, headers: Record<string, string>) {
        const { login, connect, logged } = await serveGateways(protocol, [Gateway], trusting(isTrusting));
        const { browser } = await login();
        const client = await connect(browser, { origin, ...headers });
        client.send('user');
        return { user: await client.next('user'), logged };
      }

      it('gets its session from the forwarded host', async () => {
        const forwarded = { 'x-forwarded-host': 'shop.example.com:8443', 'x-forwarded-proto': 'https' };
        expect(await userFrom(true, { host: 'upstream', ...forwarded })).toEqual({ user: 'ann', logged: [] });
      });

      it('gets none from another forwarded host', async () => {
        const { user, logged } = await userFrom(true, { 'x-forwarded-host': 'other.example.com:8443' });
        expect(user).toBeNull();
        expect(logged[0]).toContain(`"${origin}" got no session`);
        expect(logged[0]).toContain('the host "other.example.com:8443"');
      });

      it('gets none from a forwarded host if the proxy is not trusted, and is told to trust it', async () => {
        const { user, logged } = await userFrom(false, { 'x-forwarded-host': 'shop.example.com:8443' });
        expect(user).toBeNull();
        expect(logged[0]).toMatch(
          /sent to the host "127\.0\.0\.1:\d+".*trust it: app\.set\('trust proxy', 1\)/,
        );
      });

      it('gets none from a host without its port, and is told what to write in nginx', async () => {
        const { user, logged } = await userFrom(true, { host: 'shop.example.com' });
        expect(user).toBeNull();
        expect(logged[0]).toMatch(/sent to the host "shop\.example\.com".*proxy_set_header Host \$http_host/);
      });

      it('shows the forwarded host and scheme to option functions', async () => {
        const seen: unknown[] = [];
        const { login, connect } = await serveGateways(protocol, [Gateway], {
          ...trusting(true),
          cookie: (req) => {
            const { hostname, protocol: scheme } = req as unknown as Bag;
            seen.push([hostname, scheme]);
            return {};
          },
        });
        const { browser } = await login();
        seen.length = 0;
        const forwarded = { 'x-forwarded-host': 'shop.example.com:8443', 'x-forwarded-proto': 'https' };
        const client = await connect(browser, { origin, ...forwarded });
        client.send('user');
        expect(await client.next('user')).toBe('ann');
        expect(seen).toContainEqual(['shop.example.com', 'https']);
      });
    });

    it('has no session if an option function of the app throws, which is logged', async () => {
      const { login, connect, logged } = await serveGateways(protocol, [Gateway], {
        cookie: (req) => ({
          // Only requests to Express have it.
          path: (req as unknown as { ip: string }).ip.replace(/.*/, '/'),
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
