import {
  Catch,
  Controller,
  Get,
  Injectable,
  Query,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { throwError } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  Session,
  SessionGoneError,
  SessionModule,
  SessionStoreError,
  SessionTooLargeError,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Browser } from './http/browser.js';
import { RecordingStore } from './stores/recording.store.js';

/** Our errors, with what a client may see of them. */
const ERRORS: Record<string, [Error, status: number, message: string]> = {
  store: [new SessionStoreError('redis', 'read', 'private'), 503, 'Service Unavailable'],
  'too large': [new SessionTooLargeError('private'), 500, 'Internal Server Error'],
  gone: [new SessionGoneError('save'), 401, new SessionGoneError('save').message],
};

/** The places of the app that throw an error if a request asks for it. */
type Place = 'middleware' | 'guard' | 'pipe' | 'interceptor' | 'handler';
const PLACES: Place[] = ['middleware', 'guard', 'pipe', 'interceptor', 'handler'];

/** What a request asks for by its query: to throw the error of that name at that place. */
interface Asked {
  at?: string;
  error?: string;
}

function throwAt(place: Place, { at, error }: Asked): void {
  if (at === place) throw ERRORS[error!]![0];
}

const askedOf = (context: ExecutionContext): Asked =>
  context.switchToHttp().getRequest<{ query: Asked }>().query;

@Injectable()
class Guard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    throwAt('guard', askedOf(context));
    return true;
  }
}

@Injectable()
class Pipe implements PipeTransform {
  transform(value: Asked): Asked {
    throwAt('pipe', value);
    return value;
  }
}

@Injectable()
class Interceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: { handle: () => never }) {
    const { at, error } = askedOf(context);
    return at === 'interceptor' ? throwError(() => ERRORS[error!]![0]) : next.handle();
  }
}

@Controller()
class Routes {
  @Get()
  @UseGuards(Guard)
  @UseInterceptors(Interceptor)
  ask(@Query(Pipe) asked: Asked): void {
    throwAt('handler', asked);
  }

  @Get('set')
  set(@Session() session: Record<string, unknown>): void {
    session['user'] = 'ann';
  }

  @Get('large')
  large(@Session() session: Record<string, unknown>): void {
    session['private'] = 'x'.repeat(1000);
  }
}

/** Responds with the class of the error that it gets. */
@Catch()
class Seen implements ExceptionFilter {
  catch(error: Error, host: ArgumentsHost): void {
    const response = host
      .switchToHttp()
      .getResponse<{ status(code: number): { send(body: object): void } }>();
    response.status(418).send({ seen: error.constructor.name });
  }
}

/** A catch-all that leaves the response to Nest, as those of error trackers do. */
@Catch()
class Delegating extends BaseExceptionFilter {
  override catch(error: unknown, host: ArgumentsHost): void {
    super.catch(error, host);
  }
}

const platforms: [string, () => ExpressAdapter | FastifyAdapter][] = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
];

interface Given {
  controller?: Type;
  providers?: { provide: symbol | string; useClass: Type }[];
  prepare?: (app: INestApplication) => void;
}

async function start(adapter: ExpressAdapter | FastifyAdapter, given: Given = {}) {
  const store = new RecordingStore(new ClusterStore({ name: crypto.randomUUID() }));
  const { controller = Routes, providers = [], prepare } = given;
  const testing = await Test.createTestingModule({
    imports: [SessionModule.forRoot({ secret: 'filter', store, maxSize: 500 })],
    controllers: [controller],
    providers,
  }).compile();
  const app = testing.createNestApplication(adapter as ExpressAdapter, { logger: false });
  prepare?.(app);
  app.use((req: { url: string }, _res: unknown, next: (error?: unknown) => void) => {
    const asked = Object.fromEntries(new URL(req.url, 'http://app').searchParams) as Asked;
    next(asked.at === 'middleware' ? ERRORS[asked.error!]![0] : undefined);
  });
  await app.listen(0, '127.0.0.1');
  onTestFinished(() => app.close());
  return { browser: new Browser(await app.getUrl()), store };
}

describe.each(platforms)("Nest's default filter on %s, in a version that ignores expose,", (_, adapter) => {
  // What 11.0.0 to 11.2.7 and 12.0.0 to 12.1.x do: `npm run test:packages` has the versions themselves.
  beforeEach(() => {
    const filter = BaseExceptionFilter.prototype as unknown as { getHttpErrorMessage(error: Error): string };
    vi.spyOn(filter, 'getHttpErrorMessage').mockImplementation(({ message }) => message);
  });
  afterEach(() => void vi.restoreAllMocks());

  const cases = PLACES.flatMap((place) => Object.keys(ERRORS).map((error) => [place, error] as const));
  it.each(cases)('hides the message from the client if a %s throws the error %s', async (at, error) => {
    const [, statusCode, message] = ERRORS[error]!;
    for (const providers of [[], [{ provide: APP_FILTER, useClass: Delegating }]]) {
      const { browser } = await start(adapter(), { providers });
      const response = await browser.get(`/?at=${at}&error=${encodeURIComponent(error)}`);
      expect(response.status).toBe(statusCode);
      expect(response.json()).toEqual({ statusCode, message });
    }
  });

  it('hides the message of the error if a session cannot be read or saved, or is too large', async () => {
    const { browser, store } = await start(adapter());
    await browser.get('/set');
    const unavailable = { statusCode: 503, message: 'Service Unavailable' };
    store.failing = ['read'];
    expect((await browser.get('/')).json()).toEqual(unavailable);
    store.failing = ['create'];
    expect((await new Browser(browser.url).get('/set')).json()).toEqual(unavailable);
    store.failing = false;
    expect((await browser.get('/large')).json()).toEqual({
      statusCode: 500,
      message: 'Internal Server Error',
    });
  });
});

describe.each(platforms)('a catch-all filter of an app on %s', (_, adapter) => {
  @Controller()
  @UseFilters(Seen)
  class OfController extends Routes {}

  it.each<[string, Given]>([
    ['as APP_FILTER', { providers: [{ provide: APP_FILTER, useClass: Seen }] }],
    ['by useGlobalFilters', { prepare: (app) => void app.useGlobalFilters(new Seen()) }],
    ['at its controller', { controller: OfController }],
  ])('registered %s gets our error', async (where, given) => {
    const { browser } = await start(adapter(), given);
    const places = where === 'at its controller' ? PLACES.slice(1) : PLACES;
    for (const at of places) {
      const response = await browser.get(`/?at=${at}&error=store`);
      expect(response, at).toMatchObject({ status: 418, text: '{"seen":"SessionStoreError"}' });
    }
  });
});
