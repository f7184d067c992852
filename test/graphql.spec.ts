import { Controller, Get, Injectable } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Args,
  Field,
  GraphQLModule,
  Mutation,
  ObjectType,
  Parent,
  Query,
  ResolveField,
  Resolver,
} from '@nestjs/graphql';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { INestApplication } from '@nestjs/common';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Session, SessionModule, type SessionModuleOptions } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Browser, type ReceivedResponse } from './http/browser.js';
import { Gates } from './http/gates.js';
import { RecordingStore } from './stores/recording.store.js';

type Bag = Record<string, unknown>;

@ObjectType()
class Basket {
  @Field()
  owner!: string;
}

@Injectable()
class Meeting extends Gates {}

@Resolver(() => Basket)
class BasketResolver {
  constructor(private readonly meeting: Meeting) {}

  @Query(() => String, { nullable: true })
  value(@Args('name') name: string, @Session() session: Bag): string | undefined {
    return session[name] as string | undefined;
  }

  /** Lets two parallel resolvers hold the session before either continues. */
  @Query(() => Boolean)
  async meet(
    @Args('name') name: string,
    @Args('other') other: string,
    @Session() session: Bag,
  ): Promise<boolean> {
    session[name] = name;
    this.meeting.open(name);
    await this.meeting.pass(other);
    return session[other] === other;
  }

  @Query(() => Basket)
  basket(): Basket {
    return { owner: '' };
  }

  @ResolveField(() => String)
  owner(@Parent() _basket: Basket, @Session('user') user: string): string {
    return user;
  }

  @Mutation(() => String)
  set(@Args('name') name: string, @Args('value') value: string, @Session() session: Bag): string {
    session[name] = value;
    return Object.keys(session)
      .filter((one) => one !== 'cookie')
      .join();
  }

  @Mutation(() => Boolean)
  async renew(@Session() session: Session): Promise<boolean> {
    await session.regenerate();
    return true;
  }

  @Mutation(() => Boolean)
  async save(@Session() session: Session): Promise<boolean> {
    await session.save();
    return true;
  }

  /** Stores a value, unless that fails. */
  @Mutation(() => Boolean)
  async store(
    @Args('name') name: string,
    @Args('value') value: string,
    @Session() session: Bag & Session,
  ): Promise<boolean> {
    session[name] = value;
    try {
      await session.save();
    } catch (error) {
      delete session[name];
      throw error;
    }
    return true;
  }
}

@Controller()
class PlainController {
  @Get('plain')
  plain(@Session('user') user: string): string {
    return user;
  }
}

let names = 0;

interface Running {
  app: INestApplication;
  store: RecordingStore;
  browser: Browser;
  ask(query: string): Promise<ReceivedResponse>;
}

const PLATFORMS = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
] as const;

describe.each(PLATFORMS)('GraphQL on %s', (_, adapter) => {
  async function run({
    graphql,
    before,
    path = '/graphql',
    options,
  }: {
    graphql?: Partial<ApolloDriverConfig>;
    before?: (app: INestApplication) => void;
    path?: string;
    options?: Partial<SessionModuleOptions>;
  } = {}): Promise<Running> {
    const store = new RecordingStore(new ClusterStore({ name: `graphql-${process.pid}-${names++}` }));
    const testing = await Test.createTestingModule({
      imports: [
        SessionModule.forRoot({ secret: 'graphql', store, logger: { warn() {}, error() {} }, ...options }),
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          graphiql: false,
          ...graphql,
        }),
      ],
      controllers: [PlainController],
      providers: [BasketResolver, Meeting],
    }).compile();
    const app = testing.createNestApplication(adapter(), { logger: false });
    before?.(app);
    await app.listen(0, '127.0.0.1');
    onTestFinished(() => app.close());
    const browser = new Browser(await app.getUrl());
    const ask = (query: string): Promise<ReceivedResponse> => browser.post(path, { query });
    return { app, store, browser, ask };
  }

  it('the queries of one operation, resolved in parallel, share a session that is committed once', async () => {
    const { ask, store } = await run();
    const first = await ask('{ a: meet(name: "a", other: "b") b: meet(name: "b", other: "a") }');
    expect(first.json()).toEqual({ data: { a: true, b: true } });
    expect(first.setCookies).toHaveLength(1);
    expect(store.take()).toEqual(['create']);
    expect((await ask('{ a: value(name: "a") b: value(name: "b") }')).json()).toEqual({
      data: { a: 'a', b: 'b' },
    });
    expect(store.take()).toEqual(['read']);
  });

  it('the mutations of one operation see the changes of earlier ones, and are committed once', async () => {
    const { ask, store } = await run();
    const { data } = (
      await ask('mutation { one: set(name: "one", value: "1") renew two: set(name: "two", value: "2") }')
    ).json<{ data: Bag }>();
    expect(data).toEqual({ one: 'one', renew: true, two: 'two' });
    expect(store.take()).toEqual(['create']);
    await ask('mutation { one: set(name: "one", value: "1") two: set(name: "two", value: "3") }');
    expect(store.take()).toEqual(['read', 'update']);
    expect((await ask('{ one: value(name: "one") two: value(name: "two") }')).json()).toEqual({
      data: { one: '1', two: '3' },
    });
  });

  it('field resolvers can use the session', async () => {
    const { ask } = await run();
    await ask('mutation { set(name: "user", value: "ann") }');
    expect((await ask('{ basket { owner } }')).json()).toEqual({ data: { basket: { owner: 'ann' } } });
  });

  it.each([
    ['with', true, '/api/graphql'],
    ['without', false, '/graphql'],
  ])(
    'resolvers can use the session under a global prefix %s useGlobalPrefix',
    async (_how, useGlobalPrefix, path) => {
      const { ask, browser } = await run({
        graphql: { useGlobalPrefix },
        before: (app) => app.setGlobalPrefix('api'),
        path,
      });
      await ask('mutation { set(name: "user", value: "ann") }');
      expect((await ask('{ value(name: "user") }')).json()).toEqual({ data: { value: 'ann' } });
      expect((await browser.get('/api/plain')).text).toBe('ann');
    },
  );

  it('resolvers can use the session with a custom context', async () => {
    const { ask } = await run({ graphql: { context: () => ({ mine: true }) } });
    await ask('mutation { set(name: "user", value: "ann") }');
    expect((await ask('{ value(name: "user") }')).json()).toEqual({ data: { value: 'ann' } });
  });

  it('the error of a session that is too large does not name its property', async () => {
    const { ask } = await run({ options: { maxSize: 100 } });
    const response = await ask(`mutation { store(name: "private", value: "${'x'.repeat(200)}") }`);
    const { errors } = response.json<{ errors: unknown }>();
    expect(errors).toMatchObject([{ message: 'Internal Server Error', extensions: { status: 500 } }]);
    expect(response.text).not.toContain('private');
  });

  it('the error of data with a reserved name does not name it', async () => {
    const { ask } = await run();
    const response = await ask('mutation { set(name: "joinGroup", value: "ann") }');
    const { errors } = response.json<{ errors: unknown }>();
    expect(errors).toMatchObject([{ message: 'Internal Server Error', extensions: { status: 500 } }]);
    expect(response.text).not.toContain('joinGroup');
  });

  it('a failed save is a 503 for the whole operation, without its data', async () => {
    const { ask, store, browser } = await run();
    store.failing = true;
    const response = await ask('mutation { set(name: "user", value: "ann") }');
    expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, setCookies: [] });
    expect(response.json()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
    store.failing = false;
    await ask('mutation { set(name: "user", value: "ann") }');
    store.failing = ['update'];
    expect((await ask('mutation { set(name: "user", value: "ben") }')).status).toBe(503);
    store.failing = false;
    expect((await browser.get('/plain')).text).toBe('ann');
  });

  it('a failed call that a resolver awaits becomes its error, without details meant for the log', async () => {
    const { ask, store } = await run();
    await ask('mutation { set(name: "user", value: "ann") }');
    store.failing = ['regenerate'];
    const response = await ask('mutation { renew }');
    expect(response.status).toBe(200);
    const { errors } = response.json<{ errors: { message: string; extensions: Bag }[] }>();
    expect(errors).toMatchObject([{ message: 'Service Unavailable', extensions: { status: 503 } }]);
    expect(response.text).not.toContain('recording');

    store.failing = false;
    await store.clear();
    await ask('mutation { set(name: "user", value: "ann") }');
    store.take();
    store.before = async (operation) => {
      if (operation !== 'update') return;
      store.before = undefined;
      await store.clear();
    };
    const gone = await ask('mutation { set(name: "user", value: "ben") save }');
    expect(gone.json()).toMatchObject({
      errors: [
        {
          message: expect.stringContaining('was destroyed or has expired meanwhile'),
          extensions: { code: 'UNAUTHENTICATED' },
        },
      ],
    });
  });
});
