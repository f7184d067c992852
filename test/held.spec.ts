import connect from 'connect';
import express, { type ErrorRequestHandler, type RequestHandler, type Response } from 'express';
import { EventEmitter, once } from 'node:events';
import { createServer, ServerResponse, type RequestListener, type Server } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { connect as openSocket, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { sessionMiddleware, type SessionMiddleware } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { eventually } from './eventually.js';
import { Browser } from './http/browser.js';
import { Gates } from './http/gates.js';
import { RecordingStore } from './stores/recording.store.js';

// What happens to a response while it is held, and after a save that failed.

type Bag = Record<string, any>;

let names = 0;

interface Setup {
  session: SessionMiddleware;
  store: RecordingStore;
  logged: string[];
  /** Holds each create until the gate `create` is opened. */
  gates: Gates;
}

function setUp({ isGated = false } = {}): Setup {
  const store = new RecordingStore(new ClusterStore({ name: `held-${process.pid}-${names++}` }));
  const logged: string[] = [];
  const log = (text: string): void => void logged.push(text);
  const session = sessionMiddleware({ secret: 'held', store, logger: { warn: log, error: log } });
  const gates = new Gates();
  if (isGated)
    store.before = (operation) => (operation === 'create' ? gates.pass('create') : Promise.resolve());
  onTestFinished(() => session.close());
  return { session, store, logged, gates };
}

async function listen(
  listener: RequestListener,
): Promise<{ server: Server; port: number; browser: Browser }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, browser: new Browser(`http://127.0.0.1:${port}`) };
}

const aSessionCookie: unknown = expect.stringMatching(/^sid=s%3A/);

const dataOf = (req: unknown): Bag => (req as { session: Bag }).session;

/** An Express app with one handler, and an error handler that responds with 503. */
function appOf(
  session: SessionMiddleware,
  handler: RequestHandler,
  onError?: ErrorRequestHandler,
): RequestListener {
  const app = express();
  app.use(session as RequestHandler);
  app.get('/', handler);
  app.use(
    onError ??
      (((_error, _req, res, _next) => void res.status(503).send('unavailable')) as ErrorRequestHandler),
  );
  return app;
}

const connections = (server: Server): Promise<number> =>
  new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );

const HANDLERS: Record<string, (res: Response) => unknown> = {
  'send()': (res) => res.send('x'),
  'write() and end()': (res) => {
    res.write('a');
    res.end('b');
  },
  'a pipe': (res) => Readable.from(['a', 'b']).pipe(res),
  'an open stream': (res) => res.write('a'),
};

describe('a client that disconnects while its response is held', () => {
  it.each(
    Object.entries(HANDLERS).flatMap(([name, respond]) =>
      [false, true].map((fails) => ({ name, respond, fails })),
    ),
  )('leaves no connection open ($name, failing: $fails)', async ({ respond, fails }) => {
    const { session, store, gates } = setUp({ isGated: true });
    let closed = 0;
    const { server, port } = await listen(
      appOf(session, (req, res) => {
        res.on('close', () => closed++);
        dataOf(req)['a'] = 1;
        respond(res);
      }),
    );
    if (fails) store.failing = ['create'];
    const socket = openSocket(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await gates.reached('create');
    socket.destroy();
    await eventually(async () => expect(await connections(server)).toBe(0));
    gates.open('create');
    await eventually(() => expect(closed).toBe(1));
    expect(await connections(server)).toBe(0);
  });

  it('closes a response that its handler destroyed while it was held, if the save fails', async () => {
    const { session, store } = setUp();
    store.failing = ['create'];
    const { server, port } = await listen((req, res) =>
      session(req, res, () => {
        dataOf(req)['a'] = 1;
        res.write('a');
        res.destroy();
      }),
    );
    const socket = openSocket(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'close');
    await eventually(async () => expect(await connections(server)).toBe(0));
  });
});

describe('after a save that failed', () => {
  const asynchronously: ErrorRequestHandler = (_error, _req, res, _next) =>
    void setTimeout(() => !res.headersSent && res.status(503).send('unavailable'), 50);

  it('the client does not receive the rest of the response, even if the error handler responds later', async () => {
    const { session, store } = setUp();
    store.failing = ['create'];
    const app = appOf(
      session,
      async (req, res) => {
        dataOf(req)['a'] = 1;
        res.write('{"saved":');
        await eventually(() => expect(store.calls).toHaveLength(1));
        await new Promise((resolve) => setTimeout(resolve, 10));
        res.end('true}');
      },
      asynchronously,
    );
    const { browser } = await listen(app);
    const response = await browser.get('/');
    expect(response.status).toBe(503);
    expect(response.text).not.toContain('true');
  });

  it('an error handler may respond asynchronously, and with any status', async () => {
    const { session, store } = setUp();
    store.failing = ['create'];
    const app = appOf(
      session,
      (req, res) => {
        dataOf(req)['a'] = 1;
        res.send('saved');
      },
      (_error, _req, res, _next) => void setTimeout(() => res.json({ sorry: true }), 20),
    );
    const { browser } = await listen(app);
    expect(await browser.get('/')).toMatchObject({ status: 200, text: '{"sorry":true}' });
  });

  it('a handler that waits for drain continues', async () => {
    const { session, store } = setUp();
    store.failing = ['create'];
    let isOver = false;
    const app = appOf(session, async (req, res) => {
      dataOf(req)['a'] = 1;
      try {
        for (let at = 0; at < 3; at++) if (!res.write('chunk')) await once(res, 'drain');
        res.end();
      } finally {
        isOver = true;
      }
    });
    const { browser } = await listen(app);
    expect((await browser.get('/')).status).toBe(503);
    await eventually(() => expect(isOver).toBe(true));
  });

  it('header hooks of earlier middleware also apply to the error response', async () => {
    const { session, store } = setUp();
    const app = express();
    app.use((_req, res, next) => {
      const { writeHead } = res;
      res.writeHead = function (this: Response, ...args: unknown[]) {
        if (!this.headersSent) this.setHeader('access-control-allow-origin', '*');
        return writeHead.apply(this, args as never);
      } as never;
      next();
    });
    app.use(appOf(session, (req, res) => ((dataOf(req)['a'] = 1), void res.send('saved'))) as RequestHandler);
    const { browser } = await listen(app);
    expect((await browser.get('/')).headers['access-control-allow-origin']).toBe('*');
    store.failing = ['create'];
    const response = await new Browser(browser.url).get('/');
    expect(response).toMatchObject({ status: 503, headers: { 'access-control-allow-origin': '*' } });
  });
});

describe('a response that was begun before the session middleware', () => {
  it.each<[string, (res: ServerResponse) => void, string]>([
    ['write()', (res) => void res.write('begun '), 'begun x'],
    ['writeHead()', (res) => void res.writeHead(200), 'x'],
    ['flushHeaders()', (res) => res.flushHeaders(), 'x'],
  ])('by %s is complete, and no session is created for it', async (_, begin, text) => {
    const { session, store, logged } = setUp();
    const app = connect();
    app.use((_req, res, next) => (begin(res), next()));
    app.use(session as connect.HandleFunction);
    app.use((req, res) => {
      dataOf(req)['a'] = 1;
      res.end('x');
    });
    const { browser } = await listen(app as RequestListener);
    const response = await browser.get('/');
    expect(response).toMatchObject({ status: 200, text, setCookies: [] });
    expect(store.done).toEqual([]);
    expect(logged).toEqual([expect.stringContaining('was not created: the response had begun')]);
  });

  it('saves the changes of an existing session', async () => {
    const { session, store } = setUp();
    const app = connect();
    let begins = false;
    app.use((_req, res, next) => (begins && res.write('begun '), next()));
    app.use(session as connect.HandleFunction);
    app.use((req, res) => {
      dataOf(req)['visits'] = (dataOf(req)['visits'] ?? 0) + 1;
      res.end(String(dataOf(req)['visits']));
    });
    const { browser } = await listen(app as RequestListener);
    await browser.get('/');
    begins = true;
    expect((await browser.get('/')).text).toBe('begun 2');
    expect(store.done).toEqual(['create', 'update']);
    expect((await browser.get('/')).text).toBe('begun 3');
  });

  // Node 26 does not have it any more.
  it.runIf('writeHeader' in ServerResponse.prototype)(
    'is held if it begins with writeHeader(), an old name of writeHead()',
    async () => {
      const { session } = setUp();
      const app = connect();
      app.use(session as connect.HandleFunction);
      app.use((req, res) => {
        dataOf(req)['a'] = 1;
        (res as unknown as { writeHeader(status: number): void }).writeHeader(201);
        res.end('x');
      });
      const { browser } = await listen(app as RequestListener);
      const response = await browser.get('/');
      expect(response).toMatchObject({ status: 201, text: 'x', setCookies: [aSessionCookie] });
    },
  );
});

describe('a middleware that is closed', () => {
  it('while a response is held sends all of it', async () => {
    const { session, gates } = setUp({ isGated: true });
    const { browser } = await listen((req, res) =>
      session(req, res, async () => {
        dataOf(req)['a'] = 1;
        res.write('one ');
        await gates.pass('closed');
        res.write('two ');
        res.end('three');
      }),
    );
    const response = browser.get('/');
    await gates.reached('create');
    const closed = session.close();
    gates.open('closed');
    gates.open('create');
    expect((await response).text).toBe('one two three');
    await closed;
    await eventually(() => expect(Object.hasOwn(ServerResponse.prototype, 'end')).toBe(false));
  });

  it('before a handler has responded does not let an unsaved response through', async () => {
    const { session, gates, store } = setUp();
    const { browser } = await listen((req, res) =>
      session(req, res, async (error) => {
        if (error) {
          res.statusCode = 503;
          return res.end('failed');
        }
        dataOf(req)['a'] = 1;
        await gates.pass('closed');
        res.end('claimed');
      }),
    );
    const response = browser.get('/');
    await gates.reached('closed');
    await session.close();
    gates.open('closed');
    expect(await response).toMatchObject({ status: 503, text: 'failed' });
    expect(store.done).toEqual([]);
  });
});

describe('a held call that Node rejects', () => {
  it.each<[string, (res: Response) => void]>([
    ['a status message with a line break', (res) => ((res.statusMessage = 'bad\nthing'), void res.send('x'))],
    ['writeHead() with such a message', (res) => void res.writeHead(200, 'bad\nthing')],
    ['write() with an unknown encoding', (res) => void res.write('a', 'nope' as never)],
  ])('is rejected at once: %s', async (_, respond) => {
    const { session } = setUp();
    const thrown: unknown[] = [];
    const app = appOf(
      session,
      (req, res) => {
        dataOf(req)['a'] = 1;
        respond(res);
      },
      (error, _req, res, _next) => {
        thrown.push(error.code);
        res.statusMessage = '';
        res.status(500).send('rejected');
      },
    );
    const { browser } = await listen(app);
    expect((await browser.get('/')).text).toBe('rejected');
    expect(thrown).toEqual([expect.stringMatching(/^ERR_/)]);
  });

  it('a second end() calls its callback, and a later statusMessage or statusCode has no effect', async () => {
    const { session } = setUp();
    let called = 0;
    const { browser } = await listen(
      appOf(session, (req, res) => {
        dataOf(req)['a'] = 1;
        res.end('a');
        res.end(() => called++);
        res.statusMessage = 'Oops';
        res.statusCode = 500;
      }),
    );
    expect(await browser.get('/')).toMatchObject({ status: 200, text: 'a' });
    await eventually(() => expect(called).toBe(1));
  });
});

describe('over HTTP/2', () => {
  it('an error after the end of a held response does not lose the response', async () => {
    const { session, gates } = setUp({ isGated: true });
    const app = connect();
    app.use(session as connect.HandleFunction);
    app.use((req: unknown, res: { end(text: string): void }) => {
      dataOf(req)['a'] = 1;
      res.end('hello');
      throw new Error('late');
    });
    const server = createHttp2Server(app as never);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    onTestFinished(() => {
      client.destroy();
      server.close();
    });
    const stream = client.request({ ':path': '/' });
    const begun = once(stream, 'response') as Promise<[Bag]>;
    await gates.reached('create');
    await new Promise((resolve) => setImmediate(resolve));
    gates.open('create');
    const [headers] = await begun;
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    expect(headers).toMatchObject({ ':status': 200, 'set-cookie': [aSessionCookie] });
    expect(text).toBe('hello');
  });
});

describe('an imitation of a response', () => {
  class Imitation extends EventEmitter {
    headersSent = false;
    statusCode = 200;
    body = '';
    readonly headers: Bag = {};
    getHeaders = (): Bag => ({ ...this.headers });
    getHeader = (name: string): unknown => this.headers[name.toLowerCase()];
    getHeaderNames = (): string[] => Object.keys(this.headers);
    setHeader = (name: string, value: unknown): void => void (this.headers[name.toLowerCase()] = value);
    appendHeader = (name: string, value: unknown): void => this.setHeader(name, value);
    end(text = ''): void {
      this.headersSent = true;
      this.body += text;
      this.emit('finish');
      this.emit('close');
    }
  }

  it('shows that it was sent, and gets the cookie', async () => {
    const { session } = setUp();
    const res = new Imitation();
    const req = { headers: {}, url: '/', method: 'GET', socket: {} };
    await new Promise<void>((resolve) => session(req, res, () => resolve()));
    dataOf(req)['a'] = 1;
    res.end('text');
    expect(res.headersSent).toBe(true);
    await eventually(() => expect(res.body).toBe('text'));
    expect(res.headersSent).toBe(true);
    expect(String(res.headers['set-cookie'])).toMatch(/^sid=/);
  });
});

describe("a spy on Node's response class", () => {
  const { end } = ServerResponse.prototype;
  afterEach(() => void Reflect.deleteProperty(ServerResponse.prototype, 'end'));

  it('that its owner removes does not leave responses without a head', async () => {
    ServerResponse.prototype.end = function (this: ServerResponse, ...args: unknown[]) {
      return end.apply(this, args as never);
    } as never;
    const first = setUp();
    ServerResponse.prototype.end = end;
    await first.session.close();
    const { session } = setUp();
    const { browser } = await listen(
      appOf(session, (req, res) => {
        dataOf(req)['a'] = 1;
        res.end('b');
      }),
    );
    const response = await browser.get('/');
    expect(response).toMatchObject({ status: 200, text: 'b', setCookies: [aSessionCookie] });
  });
});
