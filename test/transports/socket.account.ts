import {
  Catch,
  HttpException,
  Injectable,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type ArgumentsHost,
  type CallHandler,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type WsExceptionFilter,
} from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { map, type Observable } from 'rxjs';
import { onTestFinished } from 'vitest';
import { Session, SessionStoreError } from 'nestjs-session-stores';
import { Browser } from '../http/browser.js';
import { Account, LoggedIn } from './account.js';
import { AccountController, HttpClient } from './http.account.js';
import { createApp, RejectedCall, type Transport, type TransportClient, type Whoami } from './transport.js';

interface Call {
  id: number;
  name: string;
  value: unknown;
  gate: string;
}

interface Reply {
  id: number;
  value?: unknown;
  status?: number;
  message?: string;
}

/** Adds the id of the call to its reply, because not every protocol has acknowledgements. */
@Injectable()
class Numbered implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { id } = context.switchToWs().getData<Call>();
    return next.handle().pipe(map((value) => ({ event: 'reply', data: { id, value } })));
  }
}

/** Replies with the error of a handler, a guard or the session layer, and its HTTP status. */
@Catch()
class ExceptionReply implements WsExceptionFilter {
  catch(error: Error, host: ArgumentsHost): void {
    const { id } = host.switchToWs().getData<Call>();
    const reply: Reply = { id, status: statusOf(error), message: error.message };
    const client = host.switchToWs().getClient<{
      send: (text: string) => void;
      emit: (event: string, data: unknown) => void;
      readyState?: number;
    }>();
    if (client.readyState === undefined) client.emit('reply', reply);
    else client.send(JSON.stringify({ event: 'reply', data: reply }));
  }
}

function statusOf(error: Error): number {
  if (error instanceof HttpException) return error.getStatus();
  if (error instanceof SessionStoreError) return error.status;
  if (error instanceof WsException) return error.message === 'Forbidden resource' ? 403 : 401;
  return 500;
}

/** The account on sockets. Calls that issue a token are made over HTTP. */
@WebSocketGateway()
@UseInterceptors(Numbered)
@UseFilters(ExceptionReply)
export class AccountGateway {
  constructor(private readonly account: Account) {}

  @SubscribeMessage('whoami')
  whoami(@Session() session: Session): Whoami {
    return this.account.whoami(session);
  }

  @SubscribeMessage('guarded')
  @UseGuards(LoggedIn)
  guarded(@Session('user') user: string): string {
    return user;
  }

  @SubscribeMessage('put')
  put(@Session() session: Session, @MessageBody() { name, value }: Call): void {
    this.account.put(session, name, value);
  }

  @SubscribeMessage('put-slowly')
  putSlowly(@Session() session: Session, @MessageBody() { name, value, gate }: Call): Promise<void> {
    return this.account.putSlowly(session, name, value, gate);
  }

  @SubscribeMessage('put-and-throw')
  putAndThrow(@Session() session: Session, @MessageBody() { name, value }: Call): void {
    this.account.putAndThrow(session, name, value);
  }

  @SubscribeMessage('get')
  get(@Session() session: Session, @MessageBody('name') name: string): unknown {
    return this.account.get(session, name);
  }

  @SubscribeMessage('logout-everywhere')
  logoutEverywhere(@Session() session: Session): Promise<number> {
    return this.account.logoutEverywhere(session);
  }
}

/** The client side of a socket, for any protocol. */
export interface Connection {
  send(event: string, data: object): void;
  onReply(take: (reply: Reply) => void): void;
  onClosed(closed: () => void): void;
  close(): void;
}

export type Connect = (url: string, cookie: string) => Promise<Connection>;

interface PendingCall {
  on: Connection;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** A client that calls over a socket, which is reopened after it was closed or when the cookie has changed. */
class SocketClient implements TransportClient {
  readonly #http: HttpClient;
  /** Whether the last response arrived over HTTP, because only that can set a cookie. */
  #overHttp = false;
  readonly #pending = new Map<number, PendingCall>();
  #ids = 0;
  #open: { cookie: string; connection: Promise<Connection> } | undefined;

  constructor(
    private readonly browser: Browser,
    private readonly connect: Connect,
  ) {
    this.#http = new HttpClient(browser);
    onTestFinished(async () => (await this.#open?.connection)?.close());
  }

  get setCookie(): string | undefined {
    return this.#overHttp ? this.#http.setCookie : undefined;
  }

  async login(user: string): Promise<string> {
    const id = await this.#byHttp((http) => http.login(user));
    await this.whoami();
    return id;
  }

  whoami(): Promise<Whoami> {
    return this.#call<Whoami>('whoami');
  }

  guarded(): Promise<string> {
    return this.#call('guarded');
  }

  put(name: string, value: unknown): Promise<void> {
    // A session can only begin with a response that can set a cookie.
    return this.#cookie ? this.#call('put', { name, value }) : this.#byHttp((http) => http.put(name, value));
  }

  putSlowly(name: string, value: unknown, gate: string): Promise<void> {
    return this.#call('put-slowly', { name, value, gate });
  }

  putAndThrow(name: string, value: unknown): Promise<void> {
    return this.#call('put-and-throw', { name, value });
  }

  get(name: string): Promise<unknown> {
    return this.#call('get', { name });
  }

  regenerate(): Promise<void> {
    return this.#byHttp((http) => http.regenerate());
  }

  rotate(): Promise<void> {
    return this.#byHttp((http) => http.rotate());
  }

  logout(): Promise<void> {
    return this.#byHttp((http) => http.logout());
  }

  logoutEverywhere(): Promise<number> {
    return this.#call('logout-everywhere');
  }

  clone(): SocketClient {
    return new SocketClient(this.browser.clone(), this.connect);
  }

  #byHttp<T>(call: (http: HttpClient) => Promise<T>): Promise<T> {
    this.#overHttp = true;
    return call(this.#http);
  }

  get #cookie(): string {
    return [...this.browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** Calls again on a new socket if the session of the old one was destroyed, as an app would. */
  async #call<T>(event: string, data: Partial<Call> = {}): Promise<T> {
    const old = this.#open?.cookie === this.#cookie ? this.#open : undefined;
    try {
      return await this.#callOnce<T>(event, data);
    } catch (error) {
      if (!(error instanceof RejectedCall) || error.status !== 401 || !old) throw error;
      if (this.#open === old) this.#open = undefined;
      return await this.#callOnce<T>(event, data);
    }
  }

  async #callOnce<T>(event: string, data: Partial<Call>): Promise<T> {
    this.#overHttp = false;
    const connection = await this.#connection();
    const id = this.#ids++;
    return new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { on: connection, resolve, reject });
      connection.send(event, { ...data, id });
    }) as Promise<T>;
  }

  async #connection(): Promise<Connection> {
    const cookie = this.#cookie;
    if (this.#open?.cookie === cookie) return this.#open.connection;
    const before = await this.#open?.connection;
    const opened = { cookie, connection: this.connect(this.browser.url, cookie) };
    this.#open = opened;
    const connection = await opened.connection;
    before?.close();
    connection.onReply(({ id, value, status, message = '' }) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (status === undefined) pending?.resolve(value);
      else pending?.reject(new RejectedCall(status, message));
    });
    connection.onClosed(() => {
      if (this.#open === opened) this.#open = undefined;
      for (const { on, reject } of this.#pending.values()) {
        if (on === connection) reject(new RejectedCall(401, 'closed'));
      }
    });
    return connection;
  }
}

/** The account on the sockets that `adapt` adds to an app, for clients that connect with `connect`. */
export function socketTransport(
  name: string,
  adapt: (app: INestApplication) => void,
  connect: Connect,
): Transport {
  return {
    name,
    async start(options) {
      const app = await createApp(
        options,
        { controllers: [AccountController], providers: [AccountGateway, LoggedIn, Numbered, ExceptionReply] },
        (testing) => testing.createNestApplication({ logger: false }),
      );
      adapt(app);
      await app.listen(0, '127.0.0.1');
      const url = await app.getUrl();
      return { app, client: () => new SocketClient(new Browser(url), connect) };
    },
  };
}
