import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Controller,
  Get,
  Module,
  Param,
  Post,
  Sse,
  UseGuards,
  type CanActivate,
  type INestApplication,
  type MessageEvent,
} from '@nestjs/common';
import { APP_GUARD, Reflector, type AbstractHttpAdapter } from '@nestjs/core';
import { GraphQLModule, Query, Resolver } from '@nestjs/graphql';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Test } from '@nestjs/testing';
import { of, type Observable } from 'rxjs';
import {
  Passive,
  Session,
  SessionModule,
  SessionService,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { subscriptionsWithSessions } from 'nestjs-session-stores/graphql';
import { withSessions } from 'nestjs-session-stores/sockets';
import type { ExecutionContext } from '@nestjs/common';
import { MapStore } from '../stores/map.store.js';

export type Bag = Session & Record<string, unknown>;

/** Rejects handlers that are marked, as a guard of the whole app: it runs before those of `SessionModule`'s providers. */
class AppGuard implements CanActivate {
  static readonly Rejects = Reflector.createDecorator<true>();

  canActivate(context: ExecutionContext): boolean {
    return Reflect.getMetadata(AppGuard.Rejects.KEY, context.getHandler()) !== true;
  }
}

class RejectingGuard implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

const userOf = (session: Bag): string | null => (session['user'] as string | undefined) ?? null;

@Controller()
class Account {
  @Post('login')
  login(@Session() session: Bag): string {
    session['user'] = 'ann';
    return session.id;
  }

  /** Lets the session live unused for so many milliseconds from now on. */
  @Post('begin/:lifetime')
  begin(@Session() session: Bag, @Param('lifetime') lifetime: string): void {
    session.cookie.maxAge = Number(lifetime);
  }

  @Get('active')
  active(@Session() session: Bag): { user: string | null } {
    return { user: userOf(session) };
  }

  @Get('passive')
  @Passive()
  passive(@Session() session: Bag): { user: string | null } {
    return { user: userOf(session) };
  }

  @Get('passive-write')
  @Passive()
  write(@Session() session: Bag): { user: string | null } {
    const user = userOf(session);
    if (user !== null) session['polls'] = ((session['polls'] as number | undefined) ?? 0) + 1;
    return { user };
  }

  @Get('passive-guarded')
  @Passive()
  @UseGuards(RejectingGuard)
  guarded(): void {}

  @Get('passive-app-guarded')
  @Passive()
  @AppGuard.Rejects(true)
  appGuarded(): void {}

  @Sse('passive-events')
  @Passive()
  events(@Session() session: Bag): Observable<MessageEvent> {
    return of({ data: { user: userOf(session) } });
  }
}

@Controller('passive-class')
@Passive()
class PassiveController {
  @Get()
  get(@Session() session: Bag): { user: string | null } {
    return { user: userOf(session) };
  }
}

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('active')
  active(@Session() session: Bag): object {
    return { event: 'user', data: userOf(session) };
  }

  @SubscribeMessage('passive')
  @Passive()
  passive(@Session() session: Bag): object {
    return { event: 'user', data: userOf(session) };
  }
}

@Resolver()
class Users {
  @Query(() => String, { nullable: true })
  active(@Session() session: Bag): string | null {
    return userOf(session);
  }

  @Query(() => String, { nullable: true })
  @Passive()
  passive(@Session() session: Bag): string | null {
    return userOf(session);
  }
}

/** An app with a handler of each kind, passive and not. With `?poll` in the address, requests and sockets are passive. */
export interface PassiveApp {
  app: INestApplication;
  url: string;
  sessions: SessionService;
  close(): Promise<void>;
}

/** Starts an app. Close it. */
export async function startPassiveApp(
  platform: AbstractHttpAdapter,
  protocol: 'ws' | 'Socket.IO',
  options: Partial<SessionModuleOptions> = {},
): Promise<PassiveApp> {
  @Module({ providers: [{ provide: APP_GUARD, useClass: AppGuard }] })
  class Root {}
  const testing = await Test.createTestingModule({
    imports: [
      Root,
      SessionModule.forRoot({
        secret: 'passive',
        store: new MapStore(),
        cookie: { maxAge: 60_000 },
        passive: ({ url }) => url?.includes('?poll') === true,
        ...options,
      }),
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        graphiql: false,
        subscriptions: subscriptionsWithSessions(),
      }),
    ],
    controllers: [Account, PassiveController],
    providers: [Gateway, Users],
  }).compile();
  const app = testing.createNestApplication(platform, { logger: false });
  app.useWebSocketAdapter(withSessions(protocol === 'ws' ? new WsAdapter(app) : new IoAdapter(app), app));
  await app.listen(0, '127.0.0.1');
  return { app, url: await app.getUrl(), sessions: app.get(SessionService), close: () => app.close() };
}
