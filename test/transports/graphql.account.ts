import { UseGuards } from '@nestjs/common';
import { Args, Field, ID, Mutation, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { Session } from 'nestjs-session-stores';
import { Browser } from '../http/browser.js';
import { Account, LoggedIn } from './account.js';
import { RejectedCall, type TransportClient, type Whoami } from './transport.js';

@ObjectType('Whoami')
class WhoamiType {
  @Field(() => String, { nullable: true })
  user!: string | null;

  @Field(() => ID)
  id!: string;
}

/** The account over GraphQL. Values are sent as JSON strings. */
@Resolver()
export class AccountResolver {
  constructor(private readonly account: Account) {}

  @Mutation(() => String)
  login(@Session() session: Session, @Args('user') user: string): Promise<string> {
    return this.account.login(session, user);
  }

  @Query(() => WhoamiType)
  whoami(@Session() session: Session): Whoami {
    return this.account.whoami(session);
  }

  @Query(() => String)
  @UseGuards(LoggedIn)
  guarded(@Session('user') user: string): string {
    return user;
  }

  @Mutation(() => Boolean)
  put(@Session() session: Session, @Args('name') name: string, @Args('value') value: string): boolean {
    this.account.put(session, name, JSON.parse(value));
    return true;
  }

  @Mutation(() => Boolean)
  async putSlowly(
    @Session() session: Session,
    @Args('name') name: string,
    @Args('value') value: string,
    @Args('gate') gate: string,
  ): Promise<boolean> {
    await this.account.putSlowly(session, name, JSON.parse(value), gate);
    return true;
  }

  @Mutation(() => Boolean)
  putAndThrow(
    @Session() session: Session,
    @Args('name') name: string,
    @Args('value') value: string,
  ): boolean {
    return this.account.putAndThrow(session, name, JSON.parse(value));
  }

  @Query(() => String)
  get(@Session() session: Session, @Args('name') name: string): string {
    return JSON.stringify(this.account.get(session, name));
  }

  @Mutation(() => Boolean)
  async regenerate(@Session() session: Session): Promise<boolean> {
    await session.regenerate();
    return true;
  }

  @Mutation(() => Boolean)
  async rotate(@Session() session: Session): Promise<boolean> {
    await session.rotate();
    return true;
  }

  @Mutation(() => Boolean)
  async logout(@Session() session: Session): Promise<boolean> {
    await session.destroy();
    return true;
  }

  @Mutation(() => Number)
  logoutEverywhere(@Session() session: Session): Promise<number> {
    return this.account.logoutEverywhere(session);
  }
}

/** The HTTP statuses of the error codes of GraphQL drivers. */
const STATUS_OF: Record<string, number> = { UNAUTHENTICATED: 401, FORBIDDEN: 403 };

interface GraphqlResponse<Data> {
  data?: Data;
  errors?: { message: string; extensions: { code: string; status?: number } }[];
}

export class GraphqlClient implements TransportClient {
  setCookie: string | undefined;

  constructor(
    private readonly browser: Browser,
    private readonly path = '/graphql',
  ) {}

  async login(user: string): Promise<string> {
    return (await this.#ask<{ login: string }>('mutation($user: String!) { login(user: $user) }', { user }))
      .login;
  }

  async whoami(): Promise<Whoami> {
    return (await this.#ask<{ whoami: Whoami }>('{ whoami { user id } }')).whoami;
  }

  async guarded(): Promise<string> {
    return (await this.#ask<{ guarded: string }>('{ guarded }')).guarded;
  }

  async put(name: string, value: unknown): Promise<void> {
    await this.#ask('mutation($name: String!, $value: String!) { put(name: $name, value: $value) }', {
      name,
      value: JSON.stringify(value),
    });
  }

  async putSlowly(name: string, value: unknown, gate: string): Promise<void> {
    await this.#ask(
      'mutation($name: String!, $value: String!, $gate: String!) { putSlowly(name: $name, value: $value, gate: $gate) }',
      { name, value: JSON.stringify(value), gate },
    );
  }

  async putAndThrow(name: string, value: unknown): Promise<void> {
    await this.#ask('mutation($name: String!, $value: String!) { putAndThrow(name: $name, value: $value) }', {
      name,
      value: JSON.stringify(value),
    });
  }

  async get(name: string): Promise<unknown> {
    return JSON.parse(
      (await this.#ask<{ get: string }>('query($name: String!) { get(name: $name) }', { name })).get,
    );
  }

  async regenerate(): Promise<void> {
    await this.#ask('mutation { regenerate }');
  }

  async rotate(): Promise<void> {
    await this.#ask('mutation { rotate }');
  }

  async logout(): Promise<void> {
    await this.#ask('mutation { logout }');
  }

  async logoutEverywhere(): Promise<number> {
    return (await this.#ask<{ logoutEverywhere: number }>('mutation { logoutEverywhere }')).logoutEverywhere;
  }

  clone(): GraphqlClient {
    return new GraphqlClient(this.browser.clone(), this.path);
  }

  async #ask<Data>(query: string, variables: Record<string, unknown> = {}): Promise<Data> {
    const response = await this.browser.post(this.path, { query, variables });
    this.setCookie = response.setCookies.find((line) => line.startsWith('sid='));
    if (response.status >= 400) throw new RejectedCall(response.status, response.text);
    const { data, errors } = response.json<GraphqlResponse<Data>>();
    if (errors) {
      const { code, status = STATUS_OF[code] ?? 500 } = errors[0]!.extensions;
      throw new RejectedCall(status, response.text);
    }
    return data!;
  }
}
