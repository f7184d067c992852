import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { describe, expect, it } from 'vitest';
import { Session } from 'nestjs-session-stores';
import { cookieOf, protocols, serveGateways, type Bag, type Protocol } from './gateway.app.js';

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
        expect(await from(origin), origin).toBe('ann');
      expect(logged).toEqual([]);
      store.take();
      for (const origin of ['https://evil.example.com', 'null', 'https://evil.example.com']) {
        expect(await from(origin), origin).toBeNull();
      }
      expect(store.take()).toEqual([]);
      expect(logged).toEqual([
        expect.stringContaining('"https://evil.example.com" got no session'),
        expect.stringContaining('"null" got no session'),
      ]);
    });

    it('gets none if the browser says that a page of another origin sent it, unless that is listed', async () => {
      const listed = 'https://app.example.com';
      const { login, connect, logged } = await serveGateways(protocol, [Gateway], {
        socketOptions: { origins: [listed] },
      });
      const { browser } = await login();
      const userOf = async (headers: Record<string, string>): Promise<unknown> => {
        const client = await connect(browser, headers);
        client.send('user');
        return client.next('user');
      };
      expect(await userOf({ 'sec-fetch-site': 'same-origin' })).toBe('ann');
      expect(await userOf({ 'sec-fetch-site': 'cross-site', origin: listed })).toBe('ann');
      expect(logged).toEqual([]);
      for (const site of ['same-site', 'cross-site'])
        expect(await userOf({ 'sec-fetch-site': site }), site).toBeNull();
      expect(logged).toEqual([
        expect.stringContaining('with no Origin header got no session'),
        expect.stringContaining('(Sec-Fetch-Site: "cross-site")'),
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

      it('gets none from a forwarded host if the proxy is not trusted, and a warning says to trust it', async () => {
        const { user, logged } = await userFrom(false, { 'x-forwarded-host': 'shop.example.com:8443' });
        expect(user).toBeNull();
        expect(logged[0]).toMatch(
          /sent to the host "127\.0\.0\.1:\d+".*trust it: app\.set\('trust proxy', 1\)/,
        );
      });

      it('gets none from a host without its port, and a warning says what to write in nginx', async () => {
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
            seen.push({ hostname, scheme });
            return {};
          },
        });
        const { browser } = await login();
        seen.length = 0;
        const forwarded = { 'x-forwarded-host': 'shop.example.com:8443', 'x-forwarded-proto': 'https' };
        const client = await connect(browser, { origin, ...forwarded });
        client.send('user');
        expect(await client.next('user')).toBe('ann');
        expect(seen).toContainEqual({ hostname: 'shop.example.com', scheme: 'https' });
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
      expect(logged).toContainEqual(expect.stringContaining('its handshake could not be read'));
    });
  },
);

it('a script element that polls Socket.IO by JSONP, as a page of any site can, gets no session', async () => {
  const { login, url, logged, store } = await serveGateways('Socket.IO', [Gateway]);
  const { browser } = await login();
  store.take();
  const client = new JsonpClient(url, cookieOf(browser));
  await client.open();
  await client.send('40');
  await client.send('42["user"]');
  expect(await client.receiveUntil(/42/)).toContain('42["user",null]');
  expect(store.take()).toEqual([]);
  expect(logged).toEqual([expect.stringContaining('a socket by JSONP polling got no session')]);
});

/** Polls as an old browser does by script elements and forms: no header but cookies is its own. */
class JsonpClient {
  #id = '';

  constructor(
    private readonly url: string,
    private readonly cookie: string,
  ) {}

  async open(): Promise<void> {
    const [, id] = /"sid":"([^"]+)"/.exec(await this.#poll()) ?? [];
    this.#id = `&sid=${id}`;
  }

  async send(packet: string): Promise<void> {
    const headers = { cookie: this.cookie, 'content-type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams({ d: packet });
    await fetch(this.#address, { method: 'POST', headers, body });
  }

  async receiveUntil(pattern: RegExp): Promise<string> {
    let received = '';
    while (!pattern.test(received)) received += await this.#poll();
    return received;
  }

  get #address(): string {
    return `${this.url}/socket.io/?EIO=4&transport=polling&j=0${this.#id}`;
  }

  /** The packets of a response, which is a call of a function with them as a string. */
  async #poll(): Promise<string> {
    const script = await (await fetch(this.#address, { headers: { cookie: this.cookie } })).text();
    const [, packets] = /^___eio\[0\]\((.+)\);$/s.exec(script) ?? [];
    return JSON.parse(packets!) as string;
  }
}
