import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Controller, Get, Post, Sse, type INestApplication } from '@nestjs/common';
import { Args, GraphQLModule, Int, Mutation, Query, Resolver } from '@nestjs/graphql';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { of, type Observable } from 'rxjs';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Session, SessionModule, SessionService, type SessionModuleOptions } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Browser } from './http/browser.js';
import { tokenOf } from './http/app.js';
import { protocols, serveGateways, type Protocol } from './sockets/gateway.app.js';

type Bag = Session & Record<string, unknown>;

const MINUTE = 60_000;

@Controller()
class Account {
  @Post('login')
  login(@Session() session: Bag): void {
    session['user'] = 'ann';
  }

  @Get('read')
  read(@Session() session: Bag): unknown {
    return session['user'];
  }

  @Sse('events')
  events(@Session() session: Bag): Observable<{ data: unknown }> {
    return of({ data: session['user'] });
  }
}

@Resolver()
class Users {
  @Query(() => String)
  user(@Session('user') user: string): string {
    return user;
  }

  @Mutation(() => Int)
  async login(@Session() session: Bag, @Args('whenFull') whenFull: 'end-oldest'): Promise<number> {
    await session.regenerate();
    const ended = await session.joinGroup('user:ann', { max: 2, whenFull });
    session['user'] = 'ann';
    return ended.length;
  }
}

const trusting = (app: INestApplication): void => {
  (app as NestExpressApplication).set('trust proxy', 1);
};

const PLATFORMS = [
  ['Express', () => new ExpressAdapter(), trusting],
  ['Fastify', () => new FastifyAdapter({ trustProxy: '127.0.0.1', forceCloseConnections: true }), () => {}],
] as const;

let names = 0;

/** Moves the clock of this process, and so of the store. */
function later(minutes: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * MINUTE });
}

afterEach(() => {
  vi.useRealTimers();
});

/** Resolves when a request was responded to, to the status and the text. */
async function send(browser: Browser, path: string, headers: Record<string, string>): Promise<string> {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const outgoing = request(`${browser.url}${path}`, { headers: { cookie, ...headers }, agent: false });
  outgoing.end();
  const [res] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  res.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(res, 'end');
  return text;
}

describe.each(PLATFORMS)('on %s', (_, adapter, prepare) => {
  async function serve(options: Partial<SessionModuleOptions> = {}) {
    const store = new ClusterStore({ name: `clients-nest-${names++}` });
    const testing = await Test.createTestingModule({
      imports: [
        SessionModule.forRoot({ secret: 'clients', store, client: { ip: 'full' }, ...options }),
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          graphiql: false,
        }),
      ],
      controllers: [Account],
      providers: [Users],
    }).compile();
    const app = testing.createNestApplication(adapter(), { logger: false });
    prepare(app);
    await app.listen(0, '127.0.0.1');
    onTestFinished(() => app.close());
    const url = await app.getUrl();
    const viewOf = async (browser: Browser) => (await app.get(SessionService).find(tokenOf(browser).id))!;
    return { url, viewOf };
  }

  it('the address of a client is the one behind the proxies that the app trusts', async () => {
    const { url, viewOf } = await serve();
    const browser = new Browser(url);
    const headers = { 'x-forwarded-for': '203.0.113.7, 198.51.100.2' };
    await browser.send('POST', '/login', { headers });
    expect((await viewOf(browser)).client).toEqual({
      first: { ip: '198.51.100.2', userAgent: 'test' },
      last: { ip: '198.51.100.2', userAgent: 'test' },
    });
  });

  it.each([
    ['a request that only reads', '/read', {}],
    ['an @Sse() stream', '/events', { accept: 'text/event-stream' }],
    ['a query', '/graphql?query=%7Buser%7D', { 'apollo-require-preflight': '1' }],
  ] as const)('%s is a use, after five minutes, and sends no cookie', async (_what, path, headers) => {
    const { url, viewOf } = await serve({ idleTimeout: 24 * 60 * MINUTE });
    const browser = new Browser(url);
    await browser.post('/login');
    const before = (await viewOf(browser)).lastSeenAt!;
    later(6);
    const text = await send(browser, path, { 'user-agent': 'another', ...headers });
    expect(text).toContain('ann');
    const { lastSeenAt, client } = await viewOf(browser);
    expect(lastSeenAt! - before).toBeGreaterThanOrEqual(6 * MINUTE);
    expect(client!.last.userAgent).toBe('another');
  });

  it('a mutation joins a group with a limit, and its response has the cookie', async () => {
    const { url } = await serve();
    const login = async (whenFull: string) => {
      const browser = new Browser(url);
      const response = await browser.post('/graphql', {
        query: `mutation { login(whenFull: ${JSON.stringify(whenFull)}) }`,
      });
      const { data, errors } = response.json<{ data: { login: number } | null; errors?: object[] }>();
      return { browser, ended: data?.login, errors: JSON.stringify(errors) };
    };
    const user = async (browser: Browser) =>
      (await browser.post('/graphql', { query: '{ user }' })).json<{ data: { user: string } | null }>().data
        ?.user;
    const first = await login('end-oldest');
    const second = await login('end-oldest');
    const rejected = await login('reject');
    expect(rejected.errors).toContain('there is room for 2 sessions');
    const third = await login('end-oldest');
    expect([first.ended, second.ended, third.ended]).toEqual([0, 0, 1]);
    expect(await user(first.browser)).toBeUndefined();
    expect(await user(second.browser)).toBe('ann');
    expect(await user(third.browser)).toBe('ann');
  });
});

describe.each(Object.keys(protocols) as Protocol[])('on a socket of %s', (protocol) => {
  @WebSocketGateway()
  class Gateway {
    @SubscribeMessage('read')
    read(@Session('user') user: unknown): object {
      return { event: 'user', data: user };
    }

    @SubscribeMessage('join')
    async join(@Session() session: Session): Promise<object> {
      const limit = { max: 1, whenFull: 'end-oldest' } as const;
      const data = await session.joinGroup('user:ann', limit).then(
        () => 'joined',
        ({ message }: Error) => message,
      );
      return { event: 'outcome', data };
    }
  }

  it('a message is a use, and the last known client stays', async () => {
    const { login, connect, sessions } = await serveGateways(protocol, [Gateway], {
      client: { ip: 'full' },
      idleTimeout: 24 * 60 * MINUTE,
    });
    // Socket.IO closes a socket whose clock jumps, so it is opened now, and its session is from before.
    later(-6);
    const { browser, id } = await login();
    const before = (await sessions.find(id))!;
    vi.useRealTimers();
    const socket = await connect(browser, { 'user-agent': 'the socket' });
    socket.send('read');
    expect(await socket.next('user')).toBe('ann');
    const { client, lastSeenAt } = (await sessions.find(id))!;
    expect(lastSeenAt! - before.lastSeenAt!).toBeGreaterThanOrEqual(6 * MINUTE);
    expect(client).toEqual(before.client);
    expect(client!.last.userAgent).toBe('test');
    socket.close();
  });

  it('a join with a limit rejects, and says what to do instead', async () => {
    const { login, connect, store } = await serveGateways(protocol, [Gateway]);
    const { browser } = await login();
    const socket = await connect(browser);
    socket.send('join');
    expect(await socket.next('outcome')).toBe(
      'joinGroup: a socket cannot give its client a token. Do it in an HTTP request, and connect the socket after that',
    );
    expect(await store.count('user:ann')).toBe(0);
    socket.close();
  });
});
