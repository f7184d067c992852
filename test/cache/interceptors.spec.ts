import {
  Controller,
  Get,
  Injectable,
  Post,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { FreshSession, Session, SessionModule, sessionOf } from 'nestjs-session-stores';
import type { Observable } from 'rxjs';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { Browser } from '../http/browser.js';
import { HeldStore } from './held.store.js';

type Bag = Session & Record<string, unknown>;

/** The user that each interceptor saw, by its name. */
let seen: Record<string, unknown> = {};

beforeEach(() => {
  seen = {};
});

function looking(name: string, options?: { fresh: true }): new () => NestInterceptor {
  @Injectable()
  class Looking implements NestInterceptor {
    async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
      const session = options ? await sessionOf(context, options) : sessionOf(context);
      seen[name] = (session as Bag | undefined)?.['user'];
      return next.handle();
    }
  }
  return Looking;
}

@Controller()
class Pages {
  @Post('login')
  async login(@Session() session: Bag): Promise<string> {
    await session.regenerate();
    session['user'] = 'ann';
    return session.id;
  }

  @Get('page')
  page(): void {}

  @FreshSession()
  @UseInterceptors(looking('handler'))
  @Get('fresh')
  fresh(@Session() session: Bag): unknown {
    return { user: session['user'] };
  }
}

/** Serves an app whose session was changed elsewhere, of which it has not heard. */
async function serve(rootInterceptor: new () => NestInterceptor): Promise<Browser> {
  const inner = new HeldStore();
  const testing = await Test.createTestingModule({
    imports: [SessionModule.forRoot({ secret: 'x', store: inner, cache: true })],
    controllers: [Pages],
    providers: [{ provide: APP_INTERCEPTOR, useClass: rootInterceptor }],
  }).compile();
  const app = testing.createNestApplication({ logger: false });
  app.useGlobalInterceptors(new (looking('global'))());
  await app.listen(0, '127.0.0.1');
  onTestFinished(() => app.close());
  const browser = new Browser(await app.getUrl());
  const id = (await browser.post('/login')).text;
  await browser.get('/page');
  inner.heldEvents = [];
  await inner.update({ id }, { set: { user: '"bob"' } });
  return browser;
}

it('with @FreshSession(), interceptors after that of the session layer see the session that was read', async () => {
  const browser = await serve(looking('root'));
  expect((await browser.get('/fresh')).json()).toEqual({ user: 'bob' });
  expect(seen).toEqual({ root: 'ann', global: 'bob', handler: 'bob' });
});

it('an interceptor that runs earlier reads the session by sessionOf(context, { fresh: true })', async () => {
  const browser = await serve(looking('root', { fresh: true }));
  expect((await browser.get('/fresh')).json()).toEqual({ user: 'bob' });
  expect(seen).toEqual({ root: 'bob', global: 'bob', handler: 'bob' });
});
