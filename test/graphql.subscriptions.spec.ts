import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Injectable,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { Args, GraphQLModule, Mutation, Query, Resolver, Subscription } from '@nestjs/graphql';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { execute, subscribe } from 'graphql';
import { createClient, type ClientOptions, type FormattedExecutionResult } from 'graphql-ws';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import {
  Session,
  sessionOf,
  SessionModule,
  SessionService,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { subscriptionsWithSessions } from 'nestjs-session-stores/graphql';
import { eventually } from './eventually.js';
import { Browser, type ReceivedResponse } from './http/browser.js';
import { Gates } from './http/gates.js';
import { cookieOf } from './sockets/gateway.app.js';
import { MapStore } from './stores/map.store.js';
import { RecordingStore } from './stores/recording.store.js';

type Bag = Session & Record<string, unknown>;
type Result = FormattedExecutionResult<Record<string, unknown>>;

@Injectable()
class HasUser implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return (sessionOf(context) as Bag | undefined)?.['user'] !== undefined;
  }
}

/** Fails with the store's own error, which Nest passes to no interceptor. */
@Injectable()
class Saves implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const session = sessionOf(context) as Bag;
    session['guarded'] = true;
    await session.save();
    return true;
  }
}

@Injectable()
class Events extends Gates {
  /** How many subscriptions have ended. */
  ended = 0;

  /** Emits the values of a list, then one when the gate opens. */
  async *emit(name: string, values: unknown[], gate: string): AsyncGenerator<Record<string, unknown>> {
    try {
      for (const value of values) yield { [name]: value };
      await this.pass(gate);
      yield { [name]: 'after the gate' };
    } finally {
      this.ended++;
    }
  }
}

@Resolver()
class Account {
  constructor(private readonly events: Events) {}

  @Query(() => String, { nullable: true })
  user(@Session('user') user?: string): string | undefined {
    return user;
  }

  @Query(() => String)
  @UseGuards(Saves)
  guardedBySave(): string {
    return 'saved';
  }

  @Query(() => String, { nullable: true })
  value(@Session() session: Bag, @Args('name') name: string): string | undefined {
    return session[name] as string | undefined;
  }

  @Mutation(() => String)
  async login(@Session() session: Bag, @Args('user') user: string): Promise<string> {
    await session.regenerate();
    session['user'] = user;
    return session.id;
  }

  @Mutation(() => Boolean)
  set(@Session() session: Bag, @Args('name') name: string, @Args('value') value: string): boolean {
    session[name] = value;
    return true;
  }

  @Mutation(() => Boolean)
  async setSlowly(@Session() session: Bag, @Args('name') name: string): Promise<boolean> {
    await this.events.pass(name);
    session[name] = 'set';
    return true;
  }

  @Mutation(() => Boolean)
  async rotate(@Session() session: Bag, @Args('grace') grace: number): Promise<boolean> {
    await session.rotate({ grace });
    return true;
  }

  @Mutation(() => Boolean)
  async logout(@Session() session: Bag): Promise<boolean> {
    await session.destroy();
    return true;
  }

  /** Emits the user, then a value when the gate `events` opens. */
  @Subscription(() => String, { nullable: true })
  userEvents(@Session() session: Bag) {
    return this.events.emit('userEvents', [session['user'] ?? 'nobody'], 'events');
  }

  @Subscription(() => String)
  @UseGuards(HasUser)
  guardedEvents(@Session('user') user: string) {
    return this.events.emit('guardedEvents', [user], 'events');
  }

  /** Changes the session, and emits at once. */
  @Subscription(() => String)
  changing(@Session() session: Bag) {
    session['subscribed'] = 'yes';
    return this.events.emit('changing', ['changed'], 'events');
  }
}

interface Connected {
  /** Resolves to the only result of a query or mutation. */
  ask(query: string): Promise<Result>;
  /** The results of a subscription, which end when the connection does. */
  events(query: string): AsyncIterableIterator<Result>;
  /** How the server closed the connection; `undefined` while it is open. */
  closed(): { code: number; reason: string } | undefined;
  close(): void;
}

const PLATFORMS = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
] as const;

afterEach(() => vi.restoreAllMocks());

describe.each(PLATFORMS)('GraphQL over WebSockets on %s', (_, adapter) => {
  async function run({
    graphql,
    subscriptions = subscriptionsWithSessions(),
    hasModule = true,
    before,
    host = '127.0.0.1',
    options,
  }: {
    graphql?: Partial<ApolloDriverConfig>;
    subscriptions?: NonNullable<ApolloDriverConfig['subscriptions']>;
    hasModule?: boolean;
    before?: (app: INestApplication) => void;
    host?: string;
    options?: Partial<SessionModuleOptions>;
  } = {}) {
    const store = new RecordingStore(new MapStore());
    const logged: string[] = [];
    const log = (message: string): void => void logged.push(message);
    const testing = await Test.createTestingModule({
      imports: [
        ...(hasModule
          ? [
              SessionModule.forRoot({
                secret: 'graphql',
                store,
                recheck: Infinity,
                logger: { warn: log, error: log },
                ...options,
              }),
            ]
          : []),
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          graphiql: false,
          subscriptions,
          ...graphql,
        }),
      ],
      providers: [Account, Events],
    }).compile();
    const app = testing.createNestApplication(adapter(), { logger: false });
    before?.(app);
    await app.listen(0, host);
    onTestFinished(() => app.close());
    const { port } = app.getHttpServer().address() as { port: number };
    const url = `http://${host}:${port}`;
    const browser = new Browser(url);
    const ask = (query: string): Promise<ReceivedResponse> => browser.post('/graphql', { query });
    return {
      app,
      url,
      store,
      logged,
      browser,
      /** Sends an operation over HTTP. */
      ask,
      events: app.get(Events),
      sessions: hasModule ? app.get(SessionService) : (undefined as never),
      async login(): Promise<string> {
        return (await ask('mutation { login(user: "ann") }')).json<{ data: { login: string } }>().data.login;
      },
      connect: (headers: Record<string, string> = { cookie: cookieOf(browser) }) => connect(url, headers),
    };
  }

  it('has the session of the handshake in queries, mutations and subscriptions, read again for each', async () => {
    const { login, connect: open, ask } = await run();
    await login();
    const client = open();
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
    await ask('mutation { set(name: "user", value: "ben") }');
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ben' } });
    const events = client.events('subscription { userEvents }');
    expect((await events.next()).value).toEqual({ data: { userEvents: 'ben' } });
  });

  it('saves the changes of an operation once, before its result', async () => {
    const { login, connect: open, sessions, store } = await run();
    const id = await login();
    const client = open();
    await client.ask('{ user }');
    store.take();
    const query = 'mutation { one: set(name: "one", value: "1") two: set(name: "two", value: "2") }';
    expect(await client.ask(query)).toEqual({ data: { one: true, two: true } });
    expect(store.take().filter((operation) => operation === 'update')).toHaveLength(1);
    expect((await sessions.find(id))?.data).toMatchObject({ user: 'ann', one: '1', two: '2' });
  });

  it('saves the changes of a subscribe resolver before the first event', async () => {
    const { login, connect: open, sessions, store } = await run();
    const id = await login();
    const gates = new Gates();
    store.before = async (operation) => (operation === 'update' ? gates.pass('update') : undefined);
    const first = open().events('subscription { changing }').next();
    let hasCome = false;
    void first.then(() => (hasCome = true));
    await gates.reached('update');
    expect(hasCome).toBe(false);
    gates.open('update');
    expect((await first).value).toEqual({ data: { changing: 'changed' } });
    expect((await sessions.find(id))?.data).toMatchObject({ subscribed: 'yes' });
  });

  it('gives parallel operations a session object each, and keeps all changes', async () => {
    const { login, connect: open, sessions, events } = await run();
    const id = await login();
    const client = open();
    const both = ['a', 'b'].map((name) => client.ask(`mutation { setSlowly(name: "${name}") }`));
    await Promise.all([events.reached('a'), events.reached('b')]);
    events.open('b');
    await both[1];
    expect((await sessions.find(id))?.data).not.toHaveProperty('a');
    events.open('a');
    await both[0];
    expect((await sessions.find(id))?.data).toMatchObject({ a: 'set', b: 'set' });
  });

  it('runs guards that use the session', async () => {
    const { login, connect: open } = await run();
    await login();
    const events = open().events('subscription { guardedEvents }');
    expect((await events.next()).value).toEqual({ data: { guardedEvents: 'ann' } });
    const stranger = open({});
    expect(await stranger.ask('subscription { guardedEvents }')).toMatchObject({
      errors: [{ message: 'Forbidden resource' }],
    });
  });

  it('has an empty session without a cookie, which cannot be saved', async () => {
    const { connect: open, store, logged } = await run();
    const client = open({});
    expect(await client.ask('{ user }')).toEqual({ data: { user: null } });
    expect(await client.ask('mutation { set(name: "user", value: "ann") }')).toEqual({
      errors: [expect.objectContaining({ message: 'Internal Server Error' })],
    });
    expect(logged).toEqual(['the session was not saved']);
    expect(store.take()).toEqual([]);
  });

  it('has an empty session for a page of a foreign origin, unless it is listed', async () => {
    const {
      login,
      connect: open,
      browser,
      logged,
      url,
    } = await run({
      subscriptions: subscriptionsWithSessions({ origins: ['https://app.example.com'] }),
    });
    await login();
    const userFor = async (origin: string): Promise<unknown> =>
      (await open({ cookie: cookieOf(browser), origin }).ask('{ user }')).data?.['user'];
    expect(await userFor('https://evil.example.com')).toBeNull();
    expect(logged).toEqual([
      expect.stringContaining("list it: subscriptionsWithSessions({ origins: ['https://app.example.com'] })"),
    ]);
    expect(await userFor('https://app.example.com')).toBe('ann');
    expect(await userFor(url)).toBe('ann');
  });

  it('compares the origin with the forwarded host of a trusted proxy', async () => {
    const forwarded = { 'x-forwarded-host': 'shop.example.com', 'x-forwarded-proto': 'https' };
    const origin = 'https://shop.example.com';
    const trusting = await run({
      before: (app) => {
        const platform = app.getHttpAdapter();
        if (platform.getType() === 'express') (platform as ExpressAdapter).set('trust proxy', true);
      },
    });
    await trusting.login();
    const client = trusting.connect({ cookie: cookieOf(trusting.browser), ...forwarded, origin });
    const isTrusted = trusting.app.getHttpAdapter().getType() === 'express';
    expect((await client.ask('{ user }')).data).toEqual({ user: isTrusted ? 'ann' : null });
  });

  it('closes a connection with 4401 at once after a logout over HTTP, without further events', async () => {
    const { login, connect: open, ask, events } = await run();
    await login();
    const client = open();
    const results = client.events('subscription { userEvents }');
    await results.next();
    await ask('mutation { logout }');
    events.open('events');
    await expect(results.next()).rejects.toMatchObject({ code: 4401 });
    expect(client.closed()).toEqual({ code: 4401, reason: 'the session has ended' });
    await eventually(() => events.ended === 1);
  });

  it('closes a connection without any operation too', async () => {
    const { login, connect: open, sessions, store } = await run();
    const id = await login();
    store.take();
    const client = open();
    await eventually(() => store.calls.some(({ operation }) => operation === 'read'));
    await sessions.destroy(id);
    await eventually(() => client.closed()?.code === 4401);
  });

  it('closes a connection with 4403 after a rotation without a grace, and not after one with a grace', async () => {
    const { login, connect: open, ask, events } = await run();
    await login();
    const client = open();
    const results = client.events('subscription { userEvents }');
    await results.next();
    await ask('mutation { rotate(grace: 60000) }');
    await ask('mutation { set(name: "user", value: "ben") }');
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ben' } });

    const again = open();
    const others = again.events('subscription { userEvents }');
    await others.next();
    await ask('mutation { rotate(grace: 0) }');
    await expect(others.next()).rejects.toMatchObject({ code: 4403 });
    await eventually(() => client.closed()?.code === 4403);
    events.open('events');
  });

  it('connects again after a rotation without a grace, with the new cookie', async () => {
    const { login, ask, browser, url } = await run();
    await login();
    const client = connect(url, () => ({ cookie: cookieOf(browser) }), {
      retryAttempts: 3,
      retryWait: async () => {},
    });
    const results = client.events('subscription { userEvents }');
    expect((await results.next()).value).toEqual({ data: { userEvents: 'ann' } });
    const again = results.next();
    await ask('mutation { rotate(grace: 0) set(name: "user", value: "ben") }');
    expect((await again).value).toEqual({ data: { userEvents: 'ben' } });
  });

  it('runs no operation after the session has ended, and closes the connection', async () => {
    const { login, connect: open, sessions, store } = await run();
    const id = await login();
    const client = open();
    await client.ask('{ user }');
    // The feed names the session, and it cannot be checked.
    store.failing = ['read'];
    await sessions.destroy(id);
    store.failing = false;
    await expect(client.ask('{ user }')).rejects.toMatchObject({ code: 4401 });
  });

  it('sends the result of an operation that ends the session itself, and then closes the connection', async () => {
    const { login, connect: open, sessions } = await run();
    const id = await login();
    const client = open();
    expect(await client.ask('mutation { logout }')).toEqual({ data: { logout: true } });
    expect(await sessions.find(id)).toBeUndefined();
    await eventually(() => client.closed()?.code === 4401);
  });

  it('reports a failed save as the error of the operation, without data and details', async () => {
    const { login, connect: open, sessions, store, events, logged } = await run();
    const id = await login();
    const client = open();
    store.failing = ['update'];
    const failure = {
      errors: [
        { message: 'Service Unavailable', extensions: { code: 'INTERNAL_SERVER_ERROR', status: 503 } },
      ],
    };
    expect(await client.ask('mutation { set(name: "user", value: "ben") }')).toEqual(failure);
    expect(await client.ask('subscription { changing }')).toEqual(failure);
    expect(logged).toEqual(['the session was not saved', 'the session was not saved']);
    store.failing = false;
    expect((await sessions.find(id))?.data).toEqual({ user: 'ann' });
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
    expect(events.ended).toBe(0);
  });

  it('rejects an operation while the store is unreachable, without details', async () => {
    const { login, connect: open, store, logged } = await run();
    await login();
    const client = open();
    await client.ask('{ user }');
    store.failing = ['read'];
    expect(await client.ask('{ user }')).toMatchObject({ errors: [{ message: 'Service Unavailable' }] });
    expect(logged).toEqual(['an operation was rejected, because its session could not be read']);
    store.failing = false;
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
  });

  it("keeps the store's message from clients if a guard fails with it", async () => {
    const { login, connect: open, store } = await run();
    await login();
    const client = open();
    await client.ask('{ user }');
    store.failing = ['update'];
    const { errors } = await client.ask('{ guardedBySave }');
    expect(errors).toMatchObject([{ message: 'Service Unavailable' }]);
  });

  it.each([
    ['an object', { mine: true }],
    ['a function that adds properties', () => ({ mine: true })],
    ['a function that returns the context of graphql-ws', (ws: object) => ws],
    [
      'a function that returns the upgrade request',
      (given: { req?: object; extra?: { request: object } }) => ({
        req: given.extra?.request ?? given.req ?? given,
      }),
    ],
  ])('finds the session if `context` is %s', async (_what, context) => {
    const { login, connect: open } = await run({ graphql: { context } });
    await login();
    const client = open();
    const results = await Promise.all([client.ask('{ user }'), client.ask('{ user }')]);
    expect(results).toEqual([{ data: { user: 'ann' } }, { data: { user: 'ann' } }]);
  });

  it('finds the session if graphql-ws uses one context for all operations of a connection', async () => {
    const {
      login,
      connect: open,
      events,
      sessions,
    } = await run({
      subscriptions: subscriptionsWithSessions({
        'graphql-ws': { context: (context) => context as object as Bag },
      }),
    });
    const id = await login();
    const client = open();
    const slow = client.ask('mutation { setSlowly(name: "a") }');
    await events.reached('a');
    expect(await client.ask('mutation { set(name: "b", value: "1") }')).toEqual({ data: { set: true } });
    expect((await sessions.find(id))?.data).not.toHaveProperty('a');
    events.open('a');
    expect(await slow).toEqual({ data: { setSlowly: true } });
    expect((await sessions.find(id))?.data).toMatchObject({ a: 'set', b: '1' });
  });

  it("calls the app's own onConnect, execute and subscribe", async () => {
    const called: string[] = [];
    const {
      login,
      connect: open,
      url,
    } = await run({
      subscriptions: subscriptionsWithSessions({
        'graphql-ws': {
          onConnect: ({ connectionParams }) => {
            called.push('onConnect');
            return connectionParams?.['reject'] === undefined;
          },
          execute: ((args) => {
            called.push('execute');
            return execute(args);
          }) as typeof execute,
          subscribe: ((args) => {
            called.push('subscribe');
            return subscribe(args);
          }) as typeof subscribe,
        },
      }),
    });
    await login();
    const client = open();
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
    await client.events('subscription { userEvents }').next();
    expect(called).toEqual(['onConnect', 'execute', 'subscribe']);
    const rejected = connect(url, {}, { connectionParams: { reject: true } });
    await expect(rejected.ask('{ user }')).rejects.toMatchObject({ code: 4403 });
  });

  it('works on the host localhost, for which Fastify listens on several addresses', async () => {
    const { login, connect: open } = await run({ host: 'localhost' });
    await login();
    expect(await open().ask('{ user }')).toEqual({ data: { user: 'ann' } });
  });

  it('works under a global prefix', async () => {
    const { login, browser, url } = await run({ before: (app) => app.setGlobalPrefix('api') });
    await login();
    expect(await connect(url, { cookie: cookieOf(browser) }).ask('{ user }')).toEqual({
      data: { user: 'ann' },
    });
  });

  it('saves the changes of operations in flight before a closing app closes its store', async () => {
    const { app, login, connect: open, store, events } = await run();
    await login();
    const client = open();
    client.ask('mutation { setSlowly(name: "late") }').catch(() => {});
    await events.reached('late');
    const closing = app.close();
    await eventually(() => client.closed() !== undefined);
    events.open('late');
    await closing;
    expect(store.done.at(-1)).toBe('update');
    expect(store.calls.at(-1)?.change?.set).toMatchObject({ late: '"set"' });
  });

  it('closes connections with 4500 without SessionModule, and the error says what to do', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { connect: open } = await run({ hasModule: false });
    await expect(open({}).ask('{ __typename }')).rejects.toMatchObject({ code: 4500 });
    expect(String(error.mock.calls[0]?.[1])).toContain('Import SessionModule.forRoot({ secret })');
  });

  it.each([
    ['the driver has no subscriptionsWithSessions()', {}, { 'graphql-ws': true }],
    ['`context` hides the request', { context: () => ({ req: {} }) }, subscriptionsWithSessions()],
  ])('throws an error that says what to write if %s', async (_case, graphql, subscriptions) => {
    const { connect: open } = await run({ graphql, subscriptions });
    const client = open({});
    for (const query of ['{ value(name: "user") }', 'subscription { changing }']) {
      const { errors } = await client.ask(query);
      expect(errors?.[0]?.message).toContain(
        'subscriptions: subscriptionsWithSessions() in GraphQLModule.forRoot',
      );
      expect(errors?.[0]?.message).toContain('return the req that it is called with');
    }
  });
});

describe('subscriptionsWithSessions', () => {
  it.each([{ origins: ['*'] }, { origins: 'https://a.example' }, { origin: [] }])(
    'throws a TypeError for the options %o',
    (options) => {
      expect(() => subscriptionsWithSessions(options as object)).toThrow(TypeError);
    },
  );

  it('keeps the other options of graphql-ws', () => {
    const { 'graphql-ws': options } = subscriptionsWithSessions({
      'graphql-ws': { path: '/subscriptions', connectionInitWaitTimeout: 10 },
    });
    expect(options).toMatchObject({ path: '/subscriptions', connectionInitWaitTimeout: 10 });
  });
});

/** Connects a client of graphql-ws, which is closed after the test. */
function connect(
  url: string,
  headers: Record<string, string> | (() => Record<string, string>),
  options: Partial<ClientOptions> = {},
): Connected {
  class WithHeaders extends WebSocket {
    constructor(address: string, protocols: string) {
      super(address, protocols, { headers: typeof headers === 'function' ? headers() : headers });
    }
  }
  let closed: { code: number; reason: string } | undefined;
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WithHeaders,
    lazy: false,
    retryAttempts: 0,
    onNonLazyError: () => {},
    on: {
      closed: (event) => {
        const { code, reason } = event as { code: number; reason: string };
        closed = { code, reason };
      },
    },
    ...options,
  });
  onTestFinished(() => void client.dispose());
  const events = (query: string): AsyncIterableIterator<Result> =>
    client.iterate<Record<string, unknown>>({ query }) as AsyncIterableIterator<Result>;
  return {
    events,
    async ask(query) {
      const all = events(query);
      const { value } = (await all.next()) as { value: Result };
      return value;
    },
    closed: () => closed,
    close: () => void client.dispose(),
  };
}
