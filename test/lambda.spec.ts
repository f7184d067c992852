import { configure } from '@codegenie/serverless-express';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import express, { type RequestHandler } from 'express';
import serverlessHttp from 'serverless-http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Session, SessionModule, sessionMiddleware } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { RecordingStore } from './stores/recording.store.js';

type Bag = Record<string, any>;
type App = (req: never, res: never) => void;
type Invoke = (event: Bag, context: Bag) => Promise<Bag>;

let names = 0;
const newStore = (): RecordingStore =>
  new RecordingStore(new ClusterStore({ name: `lambda-${process.pid}-${names++}` }));

/** An invocation by API Gateway, payload version 2.0. */
function eventOf(cookies?: string[]): Bag {
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: '/visits',
    rawQueryString: '',
    headers: { host: 'example.com' },
    cookies,
    requestContext: {
      http: { method: 'GET', path: '/visits', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' },
      stage: '$default',
    },
    isBase64Encoded: false,
  };
}

function expressApp(store: RecordingStore): App {
  const session = sessionMiddleware({ secret: 'lambda', store });
  onTestFinished(() => session.close());
  const app = express();
  app.use(session as RequestHandler);
  app.get('/visits', (req, res) => {
    const data = req.session as unknown as Bag;
    data['visits'] = (data['visits'] ?? 0) + 1;
    res.json({ visits: data['visits'] });
  });
  return app as unknown as App;
}

@Controller()
class Visits {
  @Get('visits')
  visits(@Session() session: Bag): Bag {
    session['visits'] = (session['visits'] ?? 0) + 1;
    return { visits: session['visits'] };
  }
}

async function nestApp(store: RecordingStore): Promise<App> {
  @Module({ imports: [SessionModule.forRoot({ secret: 'lambda', store })], controllers: [Visits] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  onTestFinished(() => app.close());
  await app.init();
  return app.getHttpAdapter().getInstance() as App;
}

const ADAPTERS: [string, (app: App) => Invoke][] = [
  ['serverless-http', (app) => serverlessHttp(app as never) as Invoke],
  [
    '@codegenie/serverless-express',
    (app) => {
      const handle = configure({ app: app as never }) as unknown as Invoke;
      return (event, context) => handle(event, context);
    },
  ],
];
const APPS: [string, (store: RecordingStore) => App | Promise<App>][] = [
  ['Express', expressApp],
  ['Nest', nestApp],
];

describe.each(ADAPTERS)('an app on AWS Lambda with %s', (_, adapt) => {
  it.each(APPS)('on %s responds with body and cookie, in a warm instance too', async (__, make) => {
    const invoke = adapt(await make(newStore()));
    const responses: Bag[] = [];
    for (const cookies of [undefined, undefined, undefined])
      responses.push(await invoke(eventOf(cookies), {}));
    for (const response of responses) {
      expect(response).toMatchObject({
        statusCode: 200,
        body: '{"visits":1}',
        cookies: [expect.stringMatching(/^sid=s%3A/)],
      });
    }
    const [cookie] = responses[0]!['cookies'] as [string];
    const next = await invoke(eventOf([cookie.split(';')[0]!]), {});
    expect(next).toMatchObject({ statusCode: 200, body: '{"visits":2}' });
  });

  it.each(APPS)('on %s responds with a 503 if the session cannot be saved', async (__, make) => {
    const store = newStore();
    const invoke = adapt(await make(store));
    await invoke(eventOf(), {});
    store.failing = ['create'];
    const response = await invoke(eventOf(), {});
    expect(response['statusCode']).toBe(503);
    expect(response['cookies'] ?? []).toEqual([]);
    expect(response['body']).not.toContain('visits');
  });
});
