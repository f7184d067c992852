import type { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { execute, subscribe } from 'graphql';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { subscriptionsWithSessions } from 'nestjs-session-stores/graphql';
import { eventually } from './eventually.js';
import {
  connect,
  serveSubscriptions,
  type Bag,
  type SubscriptionAppOptions,
} from './graphql/subscription.app.js';
import { Gates } from './http/gates.js';
import { cert, key } from './redis/certificate.js';
import { cookieOf } from './sockets/gateway.app.js';

const PLATFORMS = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', (options?: object) => new FastifyAdapter(options)],
] as const;

afterEach(() => vi.restoreAllMocks());

describe.each(PLATFORMS)('GraphQL over WebSockets on %s', (_, adapter) => {
  const run = (options: SubscriptionAppOptions = {}, platform: object = {}) =>
    serveSubscriptions(adapter(platform), options);

  it('has the session of the handshake in queries, mutations and subscriptions, read again for each', async () => {
    const { login, open, ask } = await run();
    await login();
    const client = open();
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
    await ask('mutation { set(name: "user", value: "ben") }');
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ben' } });
    const events = client.events('subscription { userEvents }');
    expect((await events.next()).value).toEqual({ data: { userEvents: 'ben' } });
  });

  it('saves the changes of an operation once, before its result', async () => {
    const { login, open, sessions, store } = await run();
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
    const { login, open, sessions, store } = await run();
    const id = await login();
    const gates = new Gates();
    store.before = async (operation) => (operation === 'update' ? gates.pass('update') : undefined);
    const client = open();
    const first = client.events('subscription { changing }').next();
    let hasCome = false;
    void first.then(() => (hasCome = true));
    await gates.reached('update');
    // Whatever was sent before this response has come by now.
    await client.ask('{ user }');
    expect(hasCome).toBe(false);
    gates.open('update');
    expect((await first).value).toEqual({ data: { changing: 'changed' } });
    expect((await sessions.find(id))?.data).toMatchObject({ subscribed: 'yes' });
  });

  it('gives parallel operations a session object each, and keeps all changes', async () => {
    const { login, open, sessions, events } = await run();
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
    const { login, open } = await run();
    await login();
    const events = open().events('subscription { guardedEvents }');
    expect((await events.next()).value).toEqual({ data: { guardedEvents: 'ann' } });
    const stranger = open({});
    expect(await stranger.ask('subscription { guardedEvents }')).toMatchObject({
      errors: [{ message: 'Forbidden resource' }],
    });
  });

  it('has an empty session without a cookie, which cannot be saved', async () => {
    const { open, store, logged } = await run();
    const client = open({});
    expect(await client.ask('{ user }')).toEqual({ data: { user: null } });
    expect(await client.ask('mutation { set(name: "user", value: "ann") }')).toEqual({
      errors: [expect.objectContaining({ message: 'Internal Server Error' })],
    });
    expect(logged).toEqual(['the session was not saved']);
    expect(store.take()).toEqual([]);
  });

  it('has an empty session for a page of a foreign origin, unless it is listed', async () => {
    const { login, open, browser, logged, url } = await run({
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
    const headers = { 'x-forwarded-host': 'shop.example.com', 'x-forwarded-proto': 'https' };
    const { login, open, browser } = await run(
      {
        before: (app) => {
          const platform = app.getHttpAdapter();
          if (platform instanceof ExpressAdapter) platform.set('trust proxy', true);
        },
      },
      { trustProxy: true },
    );
    await login();
    const client = open({ cookie: cookieOf(browser), origin: 'https://shop.example.com', ...headers });
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
  });

  it('closes a connection with 4401 at once after a logout over HTTP, without further events', async () => {
    const { login, open, ask, events } = await run();
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
    const { login, open, sessions, store } = await run();
    const id = await login();
    store.take();
    const client = open();
    await eventually(() => store.calls.some(({ operation }) => operation === 'read'));
    await sessions.destroy(id);
    await eventually(() => client.closed()?.code === 4401);
  });

  it('closes a connection with 4403 after a rotation without a grace, and not after one with a grace', async () => {
    const { login, open, ask, events } = await run();
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
    const { login, open, sessions, store } = await run();
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
    const { login, open, sessions } = await run();
    const id = await login();
    const client = open();
    expect(await client.ask('mutation { logout }')).toEqual({ data: { logout: true } });
    expect(await sessions.find(id)).toBeUndefined();
    await eventually(() => client.closed()?.code === 4401);
  });

  it('reports a failed save as the error of the operation, without data and details', async () => {
    const { login, open, sessions, store, events, logged } = await run();
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
    const { login, open, store, logged } = await run();
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
    const { login, open, store } = await run();
    await login();
    const client = open();
    await client.ask('{ user }');
    let updates = 0;
    // The guard's own save fails, and the one at the end does not.
    store.before = async (operation) => {
      if (operation === 'update') store.failing = ++updates === 1 ? ['update'] : false;
    };
    const { errors } = await client.ask('{ guardedBySave }');
    expect(updates).toBe(2);
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
    const { login, open } = await run({ graphql: { context } });
    await login();
    const client = open();
    const results = await Promise.all([client.ask('{ user }'), client.ask('{ user }')]);
    expect(results).toEqual([{ data: { user: 'ann' } }, { data: { user: 'ann' } }]);
  });

  it('finds the session if graphql-ws uses one context for all operations of a connection', async () => {
    const { login, open, events, sessions } = await run({
      subscriptions: subscriptionsWithSessions({
        'graphql-ws': { context: (context) => context as object as Bag },
      }),
    });
    const id = await login();
    const client = open();
    const slow = client.ask('mutation { setSlowly(name: "a") set(name: "c", value: "1") }');
    await events.reached('a');
    expect(await client.ask('mutation { set(name: "b", value: "1") }')).toEqual({ data: { set: true } });
    expect((await sessions.find(id))?.data).not.toHaveProperty('a');
    events.open('a');
    expect(await slow).toEqual({ data: { setSlowly: true, set: true } });
    expect((await sessions.find(id))?.data).toMatchObject({ a: 'set', b: '1', c: '1' });
  });

  it("calls the app's own onConnect, execute and subscribe", async () => {
    const called: string[] = [];
    const { login, open, url } = await run({
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

  it('works through a further server that passes its upgrades on, as Fastify has for localhost', async () => {
    const { app, login, browser } = await run();
    await login();
    const main = app.getHttpServer() as EventEmitter;
    const further = createServer();
    further.on('upgrade', main.emit.bind(main, 'upgrade'));
    await new Promise<void>((resolve) => further.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void further.close());
    const { port } = further.address() as AddressInfo;
    const client = connect(`http://127.0.0.1:${port}`, { cookie: cookieOf(browser) });
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
  });

  it('works over HTTPS', async () => {
    const https = { cert, key };
    const { sessions, url } = await run({ https }, { https });
    const { token } = await sessions.create({ user: 'ann' });
    const client = connect(url, { cookie: `sid=${token}`, origin: url });
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
  });

  it('works under a global prefix', async () => {
    const { login, browser, url } = await run({ before: (app) => app.setGlobalPrefix('api') });
    await login();
    expect(await connect(url, { cookie: cookieOf(browser) }).ask('{ user }')).toEqual({
      data: { user: 'ann' },
    });
  });

  it('saves the changes of operations in flight before a closing app closes its store', async () => {
    const { app, login, open, store, events } = await run();
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
    const { open } = await run({ hasModule: false });
    await expect(open({}).ask('{ __typename }')).rejects.toMatchObject({ code: 4500 });
    expect(String(error.mock.calls[0]?.[1])).toContain('Import SessionModule.forRoot({ secret })');
  });

  it.each([
    ['the driver has no subscriptionsWithSessions()', {}, { 'graphql-ws': true }],
    ['`context` hides the request', { context: () => ({ req: {} }) }, subscriptionsWithSessions()],
  ])('throws an error that says what to write if %s', async (_case, graphql, subscriptions) => {
    const { open } = await run({ graphql, subscriptions });
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
