import {
  Catch,
  Injectable,
  UseFilters,
  UseGuards,
  type ArgumentsHost,
  type CanActivate,
  type ExecutionContext,
  type WsExceptionFilter,
} from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  Session,
  sessionOf,
  SessionGoneError,
  SessionService,
  SessionStoreError,
} from 'nestjs-session-stores';
import type {
  SessionFeedListener,
  SessionStoreCapabilities,
  SessionWatch,
} from 'nestjs-session-stores/store';
import { sessionOfSocket } from 'nestjs-session-stores/sockets';
import { eventually } from '../eventually.js';
import { Gates } from '../http/gates.js';
import { everyStore } from '../stores/every.store.js';
import { RecordingStore } from '../stores/recording.store.js';
import { closed, protocols, serveGateways, type Bag, type Protocol } from './gateway.app.js';

/** Each protocol with one store, or with `LONG=1` each protocol with each store. */
const STORES = everyStore.filter(([word]) => word === 'cluster' || word === 'redis');
const CASES = (Object.keys(protocols) as Protocol[]).flatMap((protocol, at) =>
  STORES.filter((_, store) => process.env['LONG'] || store === at).map(
    ([word, makeStore]) => [protocol, word, makeStore] as const,
  ),
);

interface ExceptionMessage {
  status: string;
  message: string;
}

@Injectable()
class HasUser implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return (sessionOf(context) as Bag)['user'] !== undefined;
  }
}

@Catch(SessionStoreError, SessionGoneError)
class StoreFilter implements WsExceptionFilter {
  catch(error: Error, host: ArgumentsHost): void {
    const client = host.switchToWs().getClient<{ emit?: Function; send: Function; readyState?: number }>();
    const data = { name: error.name };
    if (client.readyState === undefined) client.emit!('sorry', data);
    else client.send(JSON.stringify({ event: 'sorry', data }));
  }
}

/** A store without a feed. */
class Feedless extends RecordingStore {
  override get capabilities(): SessionStoreCapabilities {
    return { ...super.capabilities, feed: 'it is switched off' };
  }
}

/** A store whose feed is cut once it is live, which its watchers do not notice. */
class Silenced extends RecordingStore {
  override watch(listener: SessionFeedListener): Promise<SessionWatch> {
    return super.watch((event) => {
      if (event.type === 'live') listener(event);
    });
  }
}

const reply = (data: unknown): { event: string; data: unknown } => ({ event: 'reply', data });

@WebSocketGateway()
class Gateway {
  readonly gates = new Gates();
  handled: string[] = [];
  unsubscribed = 0;
  greeted: unknown[] = [];
  left = 0;

  handleDisconnect(): void {
    this.left++;
  }

  async handleConnection(client: object): Promise<void> {
    const session = (await sessionOfSocket(client)) as Bag | undefined;
    this.greeted.push(session?.['user'] ?? null);
    if (!session) return;
    session['connected'] = true;
    await session.save();
  }

  @SubscribeMessage('me')
  me(@Session() session: Bag) {
    this.handled.push('me');
    return reply({ ...session, cookie: undefined });
  }

  @SubscribeMessage('put')
  put(@Session() session: Bag, @MessageBody() [name, value]: [string, unknown]) {
    session[name] = value;
    return reply(name);
  }

  @UseFilters(StoreFilter)
  @SubscribeMessage('put-filtered')
  putFiltered(@Session() session: Bag) {
    session['filtered'] = true;
    return reply('put');
  }

  @SubscribeMessage('put-slowly')
  async putSlowly(@Session() session: Bag, @MessageBody() name: string) {
    session[name] = true;
    await this.gates.pass(name);
    return reply(name);
  }

  @SubscribeMessage('put-in-the-end')
  async putInTheEnd(@Session() session: Bag, @MessageBody() name: string) {
    await this.gates.pass(name);
    session[name] = true;
    return reply(name);
  }

  @UseGuards(HasUser)
  @SubscribeMessage('guarded')
  guarded(@Session('user') user: string) {
    return reply(user);
  }

  @SubscribeMessage('throw')
  throwIt(@Session() session: Bag) {
    session['thrown'] = true;
    throw new WsException('thrown');
  }

  @SubscribeMessage('stream')
  stream(@Session() session: Bag) {
    return new Observable((out) => {
      session['first'] = true;
      out.next(reply('first'));
      void this.gates.pass('stream').then(() => {
        session['last'] = true;
        out.next(reply('last'));
        out.complete();
      });
      return () => void this.unsubscribed++;
    });
  }

  @SubscribeMessage('endless')
  endless() {
    return new Observable((out) => {
      out.next(reply('first'));
      return () => void this.unsubscribed++;
    });
  }

  @SubscribeMessage('call')
  async call(@Session() session: Bag, @MessageBody() method: 'regenerate' | 'rotate' | 'save' | 'destroy') {
    const outcome = await session[method]().then(
      () => 'done',
      (error: Error) => error.message,
    );
    return reply(outcome);
  }

  @SubscribeMessage('login')
  async login(@Session() session: Bag) {
    void session.regenerate();
    session['user'] = 'admin';
    return reply('in');
  }
}

describe.each(CASES)('messages over %s, on the %s store', (protocol, _, makeStore) => {
  const serve = (options: Parameters<typeof serveGateways>[2] = {}) =>
    serveGateways(protocol, [Gateway, HasUser, StoreFilter], {
      store: new RecordingStore(makeStore()),
      ...options,
    });

  it('see changes that were saved after the socket was opened', async () => {
    const { login, connect } = await serve();
    const { browser } = await login();
    const [one, other] = [await connect(browser), await connect(browser)];
    one.send('put', ['theme', 'dark']);
    await one.next('reply');
    other.send('me');
    expect(await other.next('reply')).toMatchObject({ user: 'ann', theme: 'dark' });
    expect((await browser.get('/me')).json()).toMatchObject({ theme: 'dark' });
  });

  it('that are handled in parallel each have a session object, and all changes are kept', async () => {
    const { login, connect, get, sessions } = await serve();
    const { browser, id } = await login();
    const client = await connect(browser);
    const { gates } = get(Gateway);
    for (const name of ['a', 'b']) client.send('put-slowly', name);
    await Promise.all([gates.reached('a'), gates.reached('b')]);
    gates.open('b');
    expect(await client.next('reply')).toBe('b');
    expect((await sessions.find(id))?.data).toMatchObject({ b: true });
    expect((await sessions.find(id))?.data).not.toHaveProperty('a');
    gates.open('a');
    await client.next('reply');
    expect((await sessions.find(id))?.data).toMatchObject({ a: true, b: true });
  });

  it('get a response only after their changes are stored, even if the handler throws', async () => {
    const { login, connect, store, sessions } = await serve();
    const { browser, id } = await login();
    const client = await connect(browser);
    const gates = new Gates();
    store.before = async (operation) => (operation === 'update' ? gates.pass('update') : undefined);
    client.send('put', ['a', 1]);
    client.send('throw');
    await gates.reached('update');
    expect({ reply: client.has('reply'), exception: client.has('exception') }).toEqual({
      reply: false,
      exception: false,
    });
    gates.open('update');
    expect(await client.next('reply')).toBe('a');
    expect(await client.next<ExceptionMessage>('exception')).toMatchObject({
      status: 'error',
      message: 'thrown',
    });
    expect((await sessions.find(id))?.data).toMatchObject({ a: 1, thrown: true });
  });

  it('get an error, which filters can handle, if their changes cannot be stored', async () => {
    const { login, connect, store } = await serve();
    const { browser } = await login();
    const client = await connect(browser);
    client.send('me');
    await client.next('reply');
    store.failing = ['update'];
    client.send('put', ['a', 1]);
    expect(await client.next<ExceptionMessage>('exception')).toMatchObject({
      message: 'Internal server error',
    });
    client.send('put-filtered');
    expect(await client.next('sorry')).toEqual({ name: 'SessionStoreError' });
    store.failing = false;
    client.send('me');
    expect(await client.next('reply')).not.toHaveProperty('a');
    expect(client.has('reply')).toBe(false);
  });

  it('are rejected while the store is unreachable, and handled afterwards, on a socket opened meanwhile', async () => {
    const { login, connect, store, get } = await serve();
    const { browser } = await login();
    store.failing = true;
    const client = await connect(browser);
    client.send('me');
    expect(await client.next<ExceptionMessage>('exception')).toMatchObject({
      message: 'Internal server error',
    });
    expect(get(Gateway).handled).toEqual([]);
    expect(get(Gateway).greeted).toEqual([null]);
    store.failing = false;
    client.send('me');
    expect(await client.next('reply')).toMatchObject({ user: 'ann' });
  });

  it("have an empty read-only session while the store is unreachable, with onStoreError: 'anonymous'", async () => {
    const { login, connect, store } = await serve({ onStoreError: 'anonymous' });
    const { browser } = await login();
    const client = await connect(browser);
    client.send('me');
    await client.next('reply');
    store.failing = true;
    client.send('me');
    expect(await client.next('reply')).toEqual({});
    client.send('put', ['a', 1]);
    expect(await client.next<ExceptionMessage>('exception')).toMatchObject({
      message: 'Internal server error',
    });
    store.failing = false;
    client.send('me');
    expect(await client.next('reply')).toMatchObject({ user: 'ann' });
  });

  it('pass through guards, which can use the session', async () => {
    const { login, connect } = await serve();
    const { browser } = await login();
    const [ann, anonymous] = [await connect(browser), await connect()];
    ann.send('guarded');
    expect(await ann.next('reply')).toBe('ann');
    anonymous.send('guarded');
    expect(await anonymous.next<ExceptionMessage>('exception')).toMatchObject({
      message: 'Forbidden resource',
    });
  });

  it('are not handled after their session was destroyed, and the socket is closed', async () => {
    const { login, connect, sessions, get } = await serve();
    const { browser, id } = await login();
    const client = await connect(browser);
    client.send('me');
    await client.next('reply');
    await sessions.destroy(id);
    client.send('put', ['a', 1]);
    client.send('me');
    await closed(client);
    expect(get(Gateway).handled).toEqual(['me']);
    expect(await sessions.countAll()).toBe(0);
  });

  it('do not bring back a session that was destroyed meanwhile, and the socket is closed', async () => {
    const { login, connect, sessions, get } = await serve();
    const { browser, id } = await login();
    const client = await connect(browser);
    client.send('put-slowly', 'a');
    await get(Gateway).gates.reached('a');
    await sessions.destroy(id);
    get(Gateway).gates.open('a');
    await client.next('reply');
    await closed(client);
    expect(await sessions.countAll()).toBe(0);
  });

  it('can destroy the session, and get a response before the socket is closed', async () => {
    const { login, connect, sessions } = await serve();
    const client = await connect((await login()).browser);
    client.send('call', 'destroy');
    expect(await client.next('reply')).toBe('done');
    await closed(client);
    expect(await sessions.countAll()).toBe(0);
  });

  it.each(['regenerate', 'rotate'])(
    'cannot %s the session, and the error says what to do',
    async (method) => {
      const { login, connect, sessions } = await serve();
      const { browser, id } = await login();
      const client = await connect(browser);
      client.send('call', method);
      expect(await client.next('reply')).toMatch(
        `${method}: a socket cannot give its client a token. Do it in an HTTP`,
      );
      client.send('me');
      expect(await client.next('reply')).toMatchObject({ user: 'ann' });
      expect((await sessions.find(id))?.data).toMatchObject({ user: 'ann' });
    },
  );

  it('leave the old session unchanged after an attempted login, which a socket cannot do', async () => {
    const { login, connect, sessions } = await serve();
    const { browser, id } = await login();
    const client = await connect(browser);
    client.send('login');
    expect(await client.next('reply')).toBe('in');
    expect((await sessions.find(id))?.data).toMatchObject({ user: 'ann' });
  });

  it('of a socket without a session have an empty one, which cannot be saved', async () => {
    const { connect, sessions, store } = await serve();
    const client = await connect();
    client.send('me');
    expect(await client.next('reply')).toEqual({});
    client.send('call', 'save');
    expect(await client.next('reply')).toMatch('save: a socket cannot give its client a token');
    client.send('put', ['a', 1]);
    expect(await client.next<ExceptionMessage>('exception')).toMatchObject({
      message: 'Internal server error',
    });
    client.send('call', 'destroy');
    expect(await client.next('reply')).toBe('done');
    client.send('me');
    expect(await client.next('reply')).toEqual({});
    expect(store.take()).toEqual([]);
    expect(await sessions.countAll()).toBe(0);
  });

  it('with several responses have earlier changes stored before the first one and the rest at the end', async () => {
    const { login, connect, sessions, get, store } = await serve();
    const { browser, id } = await login();
    const client = await connect(browser);
    await eventually(() => get(Gateway).greeted.length === 1);
    await eventually(async () => (await sessions.find(id))?.data['connected'] === true);
    store.take();
    client.send('stream');
    expect(await client.next('reply')).toBe('first');
    expect((await sessions.find(id))?.data).toMatchObject({ first: true });
    get(Gateway).gates.open('stream');
    expect(await client.next('reply')).toBe('last');
    await eventually(async () => (await sessions.find(id))?.data['last'] === true);
    expect(store.take().filter((operation) => operation === 'update')).toHaveLength(2);
  });

  it('with endless responses are unsubscribed when the client disconnects', async () => {
    const { login, connect, get } = await serve();
    const client = await connect((await login()).browser);
    client.send('endless');
    await client.next('reply');
    client.close();
    await eventually(() => get(Gateway).unsubscribed === 1);
  });

  it('save their changes although the client has disconnected', async () => {
    const { login, connect, get, sessions } = await serve();
    const { browser, id } = await login();
    const client = await connect(browser);
    client.send('put-in-the-end', 'late');
    await get(Gateway).gates.reached('late');
    client.close();
    await eventually(() => get(Gateway).left === 1);
    get(Gateway).gates.open('late');
    await eventually(async () => (await sessions.find(id))?.data['late'] === true);
  });

  it('renew the expiry, but not with every message', async () => {
    const { login, connect, store } = await serve({ cookie: { maxAge: 2000 } });
    const client = await connect((await login()).browser);
    client.send('me');
    await client.next('reply');
    await eventually(() => store.take().filter((one) => one === 'update').length === 0);
    const begun = Date.now();
    await eventually(async () => {
      client.send('me');
      await client.next('reply');
      return store.take().includes('update');
    });
    expect(Date.now() - begun).toBeGreaterThan(50);
  });

  it('are handled with a token that was signed with a former secret', async () => {
    const store = (await serve()).store;
    const before = await serve({ store, secret: 'old' });
    const { browser } = await before.login();
    const now = await serve({ store, secret: ['new', 'old'] });
    const client = await now.connect(browser);
    client.send('me');
    expect(await client.next('reply')).toMatchObject({ user: 'ann' });
  });

  it('are handled after a rotation as long as the session lives, and a new socket needs the new secret', async () => {
    const { login, connect, sessions, logged } = await serve();
    const { browser, id } = await login();
    const client = await connect(browser);
    client.send('me');
    await client.next('reply');
    const before = browser.clone();
    await browser.post('/rotate');
    // The first request with the new secret lets the old one expire after its grace.
    await browser.get('/me');
    await eventually(
      async () => {
        const late = await connect(before);
        late.send('me');
        return ((await late.next('reply')) as Bag)['user'] === undefined;
      },
      { within: 30_000 },
    );
    client.send('me');
    expect(await client.next('reply')).toMatchObject({ user: 'ann' });
    client.send('put', ['theme', 'dark']);
    await client.next('reply');
    expect((await sessions.find(id))?.data).toMatchObject({ theme: 'dark' });
    const again = await connect(browser);
    again.send('me');
    expect(await again.next('reply')).toMatchObject({ user: 'ann' });
    // A socket that outlives a rotation is not a theft. One that begins with a replaced token may be.
    expect(logged).toEqual([expect.stringContaining('a replaced token was presented')]);
  });

  it('that arrive together share reads of the session, and those beyond 1000 waiting are rejected', async () => {
    const { login, connect, store } = await serve();
    const client = await connect((await login()).browser);
    client.send('me');
    await client.next('reply');
    await eventually(() => store.watched !== 'beginning');
    let reading = 0;
    let most = 0;
    const gates = new Gates();
    store.take();
    store.before = async (operation) => {
      if (operation !== 'read') return;
      most = Math.max(most, ++reading);
      await gates.pass('read');
      reading--;
    };
    for (let count = 0; count < 1200; count++) client.send('me');
    // Those that exceed the limit are rejected. The others wait.
    for (let count = 0; count < 200; count++) {
      expect(await client.next<ExceptionMessage>('exception')).toMatchObject({
        message: expect.stringContaining('too many messages'),
      });
    }
    gates.open('read');
    for (let count = 0; count < 1000; count++) await client.next('reply');
    expect(client.has('exception')).toBe(false);
    expect(most).toBe(1);
    expect(store.take().length).toBeLessThan(10);
  });

  it('are preceded by handleConnection, which can use the session too', async () => {
    const { login, connect, get, sessions } = await serve();
    const { browser, id } = await login();
    await connect();
    await connect(browser);
    await eventually(() => get(Gateway).greeted.length === 2);
    expect(get(Gateway).greeted.toSorted()).toEqual(['ann', null]);
    await eventually(async () => (await sessions.find(id))?.data['connected'] === true);
  });

  it('are not needed to close a socket whose session was destroyed, and other sockets stay open', async () => {
    const { login, connect, sessions, store, logged } = await serve({ recheck: 50 });
    const [ann, ben] = [await login(), await login()];
    const [gone, stays, bare] = [await connect(ann.browser), await connect(ben.browser), await connect()];
    for (const client of [gone, stays]) {
      client.send('me');
      await client.next('reply');
    }
    store.take();
    store.failing = ['read'];
    await eventually(() => store.calls.length > 4);
    expect(gone.isOpen).toBe(true);
    expect(logged).toHaveLength(1);
    store.failing = false;
    await sessions.destroy(ann.id);
    await closed(gone);
    stays.send('me');
    expect(await stays.next('reply')).toMatchObject({ user: 'ann' });
    expect(bare.isOpen).toBe(true);
  });

  it.each([
    { title: 'has no feed', Store: Feedless },
    { title: 'has a feed that says nothing more', Store: Silenced },
  ])('are not needed to close a socket within the recheck period if the store $title', async ({ Store }) => {
    const store = new Store(makeStore());
    const { login, connect, sessions } = await serve({ store, recheck: 50 });
    const { browser, id } = await login();
    const client = await connect(browser);
    client.send('me');
    await client.next('reply');
    await sessions.destroy(id);
    await closed(client);
  });

  it('that are pending are saved before a closing app closes its store', async () => {
    const { app, login, connect, get, store } = await serve({ recheck: 20 });
    const client = await connect((await login()).browser);
    client.send('put-in-the-end', 'late');
    await get(Gateway).gates.reached('late');
    const closing = app.close();
    await closed(client);
    get(Gateway).gates.open('late');
    await closing;
    expect(store.closed).toBe(1);
    expect(store.done.at(-1)).toBe('update');
    expect(store.calls.at(-1)?.change?.set).toMatchObject({ late: 'true' });
    expect(app.get(SessionService)).toBeDefined();
  });
});
