import type { INestApplication, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { onTestFinished } from 'vitest';
import { SessionModule, SessionService, type SessionModuleOptions } from 'nestjs-session-stores';
import { Account } from './account.js';

/** The user and session of a client, as the server sees them. */
export interface Whoami {
  user: string | null;
  id: string;
}

/** A client of a transport. A call that fails rejects with a `RejectedCall`. */
export interface TransportClient {
  /** Starts a new session for `user`, in the group `user:<user>`. Resolves to its id. */
  login(user: string): Promise<string>;
  whoami(): Promise<Whoami>;
  /** Resolves to the user. The handler has a guard that rejects sessions without a user. */
  guarded(): Promise<string>;
  put(name: string, value: unknown): Promise<void>;
  /** Sets a property, and resolves after the gate `gate` was opened. */
  putSlowly(name: string, value: unknown, gate: string): Promise<void>;
  /** Sets a property in a handler that then throws an error with status 418. */
  putAndThrow(name: string, value: unknown): Promise<void>;
  get(name: string): Promise<unknown>;
  regenerate(): Promise<void>;
  rotate(): Promise<void>;
  logout(): Promise<void>;
  logoutEverywhere(): Promise<number>;
  /** The `Set-Cookie` header of the last response, `undefined` if there was none. */
  readonly setCookie: string | undefined;
  /** Returns another client with a copy of the cookie. */
  clone(): TransportClient;
}

/** A call of a client was rejected. */
export class RejectedCall extends Error {
  constructor(
    /** The HTTP status, or its equivalent in the transport. */
    readonly status: number,
    readonly response: string,
  ) {
    super(`rejected with ${status}: ${response}`);
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

/** What a transport adds to the common app. */
interface Parts {
  imports?: unknown[];
  controllers?: Type[];
  providers?: Type[];
}

/** Creates an app with sessions and the `Account` that does not listen yet. It is closed after the test. */
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
