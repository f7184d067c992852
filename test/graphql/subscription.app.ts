import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Injectable,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { Args, GraphQLModule, Mutation, Query, Resolver, Subscription } from '@nestjs/graphql';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { createClient, type ClientOptions, type FormattedExecutionResult } from 'graphql-ws';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import {
  Session,
  sessionOf,
  SessionModule,
  SessionService,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { subscriptionsWithSessions } from 'nestjs-session-stores/graphql';
import { Browser, type ReceivedResponse } from '../http/browser.js';
import { Gates } from '../http/gates.js';
import { cookieOf } from '../sockets/gateway.app.js';
import { MapStore } from '../stores/map.store.js';
import { RecordingStore } from '../stores/recording.store.js';

export type Bag = Session & Record<string, unknown>;
export type Result = FormattedExecutionResult<Record<string, unknown>>;

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
export class Events extends Gates {
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

export interface Connected {
  /** Resolves to the only result of a query or mutation. */
  ask(query: string): Promise<Result>;
  /** The results of a subscription, which end when the connection does. */
  events(query: string): AsyncIterableIterator<Result>;
  /** How the server closed the connection; `undefined` while it is open. */
  closed(): { code: number; reason: string } | undefined;
  close(): void;
}

/** How an app with subscriptions is run. */
export interface SubscriptionAppOptions {
  graphql?: Partial<ApolloDriverConfig>;
  subscriptions?: NonNullable<ApolloDriverConfig['subscriptions']>;
  hasModule?: boolean;
  before?: (app: INestApplication) => void;
  https?: { cert: string; key: string };
  options?: Partial<SessionModuleOptions>;
}

/** Runs an app with queries, mutations and subscriptions, which is closed after the test. */
export async function serveSubscriptions(
  platform: AbstractHttpAdapter,
  {
    graphql,
    subscriptions = subscriptionsWithSessions(),
    hasModule = true,
    before,
    https,
    options,
  }: SubscriptionAppOptions,
) {
  const store = new RecordingStore(new MapStore());
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  const sessions = SessionModule.forRoot({
    secret: 'graphql',
    store,
    recheck: Infinity,
    logger: { warn: log, error: log },
    ...options,
  });
  const testing = await Test.createTestingModule({
    imports: [
      ...(hasModule ? [sessions] : []),
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
  const app = testing.createNestApplication(platform, {
    logger: false,
    ...(https && { httpsOptions: https }),
  });
  before?.(app);
  await app.listen(0, '127.0.0.1');
  onTestFinished(() => app.close());
  const url = await app.getUrl();
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
    get sessions() {
      return app.get(SessionService);
    },
    /** Logs in over HTTP. Resolves to the session id. */
    async login(): Promise<string> {
      return (await ask('mutation { login(user: "ann") }')).json<{ data: { login: string } }>().data.login;
    },
    open: (headers: Record<string, string> = { cookie: cookieOf(browser) }) => connect(url, headers),
  };
}

/** Connects a client of graphql-ws, which is closed after the test. */
export function connect(
  url: string,
  headers: Record<string, string> | (() => Record<string, string>),
  options: Partial<ClientOptions> = {},
): Connected {
  class WithHeaders extends WebSocket {
    constructor(address: string, protocols: string) {
      super(address, protocols, {
        headers: typeof headers === 'function' ? headers() : headers,
        rejectUnauthorized: false,
      });
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
