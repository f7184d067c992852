import type { INestApplication, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { onTestFinished } from 'vitest';
import { SessionModule, SessionService, type SessionModuleOptions } from 'nestjs-session-stores';
import { Account } from './account.js';

/** Who a client is, as its server sees it. */
export interface Whoami {
  user: string | null;
  id: string;
}

/** How a client of a transport does what all of them can do. Each rejects with `Refused` when it is refused. */
export interface TransportClient {
  /** A new session for `user`, in the group `user:<user>`; gives its id. */
  login(user: string): Promise<string>;
  whoami(): Promise<Whoami>;
  /** Who it is, from a handler behind a guard that lets nobody in without a user. */
  guarded(): Promise<string>;
  put(name: string, value: unknown): Promise<void>;
  /** Puts a value, and is answered when the gate `gate` is open. */
  putSlowly(name: string, value: unknown, gate: string): Promise<void>;
  /** Puts a value, and then the handler throws an error of status 418. */
  putAndThrow(name: string, value: unknown): Promise<void>;
  get(name: string): Promise<unknown>;
  regenerate(): Promise<void>;
  rotate(): Promise<void>;
  logout(): Promise<void>;
  logoutEverywhere(): Promise<number>;
  /** What the last answer set the cookie to; `undefined` when it set none. */
  readonly setCookie: string | undefined;
  /** Another client that holds the same cookie now, and goes its own way from here. */
  clone(): TransportClient;
}

/** A client's call was not done. */
export class Refused extends Error {
  constructor(
    /** The HTTP status, or what the transport has in its place. */
    readonly status: number,
    readonly answer: string,
  ) {
    super(`refused with ${status}: ${answer}`);
  }
}

/** A transport under test. */
export interface Transport {
  name: string;
  /** Starts a server with `Account` as a provider and `SessionModule` with these options. */
  start(options: SessionModuleOptions): Promise<TransportApp>;
}

export interface TransportApp {
  app: INestApplication;
  client(): TransportClient;
}

/** What a transport adds to the app that all have. */
interface Parts {
  imports?: unknown[];
  controllers?: Type[];
  providers?: Type[];
}

/** An app with sessions and the `Account`, not listening yet; closed when the test has ended. */
export async function createApp<App extends INestApplication>(
  options: SessionModuleOptions,
  { imports = [], controllers = [], providers = [] }: Parts,
  create: (testing: Awaited<ReturnType<ReturnType<typeof Test.createTestingModule>['compile']>>) => App,
): Promise<App> {
  const testing = await Test.createTestingModule({
    imports: [SessionModule.forRoot(options), ...(imports as Type[])],
    controllers,
    providers: [Account, ...providers],
  }).compile();
  const app = create(testing);
  onTestFinished(() => app.close());
  return app;
}

export const sessionsOf = ({ app }: TransportApp): SessionService => app.get(SessionService);
export const accountOf = ({ app }: TransportApp): Account => app.get(Account);
