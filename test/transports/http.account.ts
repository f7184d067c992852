import { Body, Controller, Get, HttpCode, Post, Query, UseGuards } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { Browser, type ReceivedResponse } from '../http/browser.js';
import { Account, LoggedIn } from './account.js';
import { RejectedCall, type TransportClient, type Whoami } from './transport.js';

interface Put {
  name: string;
  value: unknown;
  gate: string;
}

/** The account over HTTP, for any platform. */
@Controller()
export class AccountController {
  constructor(private readonly account: Account) {}

  @Post('login')
  login(@Session() session: Session, @Body('user') user: string): Promise<string> {
    return this.account.login(session, user);
  }

  @Get('whoami')
  whoami(@Session() session: Session): Whoami {
    return this.account.whoami(session);
  }

  @Get('guarded')
  @UseGuards(LoggedIn)
  guarded(@Session('user') user: string): string {
    return user;
  }

  @Post('put')
  @HttpCode(204)
  put(@Session() session: Session, @Body() { name, value }: Put): void {
    this.account.put(session, name, value);
  }

  @Post('put-slowly')
  @HttpCode(204)
  putSlowly(@Session() session: Session, @Body() { name, value, gate }: Put): Promise<void> {
    return this.account.putSlowly(session, name, value, gate);
  }

  @Post('put-and-throw')
  putAndThrow(@Session() session: Session, @Body() { name, value }: Put): void {
    this.account.putAndThrow(session, name, value);
  }

  @Get('get')
  get(@Session() session: Session, @Query('name') name: string): { value: unknown } {
    return { value: this.account.get(session, name) };
  }

  @Post('regenerate')
  @HttpCode(204)
  regenerate(@Session() session: Session): Promise<void> {
    return session.regenerate();
  }

  @Post('rotate')
  @HttpCode(204)
  rotate(@Session() session: Session): Promise<void> {
    return session.rotate();
  }

  @Post('logout')
  @HttpCode(204)
  logout(@Session() session: Session): Promise<void> {
    return session.destroy();
  }

  @Post('logout-everywhere')
  async logoutEverywhere(@Session() session: Session): Promise<{ ended: number }> {
    return { ended: await this.account.logoutEverywhere(session) };
  }
}

export class HttpClient implements TransportClient {
  setCookie: string | undefined;

  constructor(private readonly browser: Browser) {}

  async login(user: string): Promise<string> {
    return (await this.#post('/login', { user })).text;
  }

  async whoami(): Promise<Whoami> {
    return (await this.#get('/whoami')).json<Whoami>();
  }

  async guarded(): Promise<string> {
    return (await this.#get('/guarded')).text;
  }

  async put(name: string, value: unknown): Promise<void> {
    await this.#post('/put', { name, value });
  }

  async putSlowly(name: string, value: unknown, gate: string): Promise<void> {
    await this.#post('/put-slowly', { name, value, gate });
  }

  async putAndThrow(name: string, value: unknown): Promise<void> {
    await this.#post('/put-and-throw', { name, value });
  }

  async get(name: string): Promise<unknown> {
    return (await this.#get(`/get?name=${encodeURIComponent(name)}`)).json<{ value: unknown }>().value;
  }

  async regenerate(): Promise<void> {
    await this.#post('/regenerate');
  }

  async rotate(): Promise<void> {
    await this.#post('/rotate');
  }

  async logout(): Promise<void> {
    await this.#post('/logout');
  }

  async logoutEverywhere(): Promise<number> {
    return (await this.#post('/logout-everywhere')).json<{ ended: number }>().ended;
  }

  clone(): HttpClient {
    return new HttpClient(this.browser.clone());
  }

  async #get(path: string): Promise<ReceivedResponse> {
    return this.#take(await this.browser.get(path));
  }

  async #post(path: string, body?: unknown): Promise<ReceivedResponse> {
    return this.#take(await this.browser.post(path, body));
  }

  #take(response: ReceivedResponse): ReceivedResponse {
    this.setCookie = response.setCookies.find((line) => line.startsWith('sid='));
    if (response.status >= 400) throw new RejectedCall(response.status, response.text);
    return response;
  }
}
