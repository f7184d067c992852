import {
  UseFilters,
  Catch,
  type ArgumentsHost,
  type INestApplication,
  type WsExceptionFilter,
} from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import {
  Ack,
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import { Test } from '@nestjs/testing';
import { setTimeout as wait } from 'node:timers/promises';
import type { Server, Socket } from 'socket.io';
import { describe, expect, it } from 'vitest';
import { Session, SessionModule } from 'nestjs-session-stores';
import { withSessions } from 'nestjs-session-stores/sockets';
import { eventually } from '../eventually.js';
import { Gates } from '../http/gates.js';
import { MapStore } from '../stores/map.store.js';
import { RecordingStore } from '../stores/recording.store.js';
import { connectIo, connectWs } from './clients.js';
import { cookieOf, serveGateways, type Bag } from './gateway.app.js';

type Callback = (value: unknown) => void;

@WebSocketGateway()
class Plain {
  @WebSocketServer() server!: Server;

  @SubscribeMessage('put')
  put(@Session() session: Bag, @MessageBody() value: unknown): string {
    session['plain'] = value;
    return `put by ${session['user']}`;
  }

  @SubscribeMessage('both')
  both(@Session() session: Bag): void {
    session['one'] = true;
  }

  @SubscribeMessage('binary')
  binary(@Session('user') user: string, @MessageBody() bytes: Buffer): Buffer {
    return Buffer.concat([Buffer.from(user), bytes]);
  }
}

@Catch()
class Acknowledged implements WsExceptionFilter {
  catch(error: Error, host: ArgumentsHost): void {
    host.getArgByIndex<Callback>(2)({ error: error.message });
  }
}

@WebSocketGateway()
class Second {
  readonly gates = new Gates();

  @SubscribeMessage('both')
  both(@Session() session: Bag): void {
    session['two'] = true;
  }

  @SubscribeMessage('acknowledge')
  async acknowledge(@Session() session: Bag, @Ack() ack: Callback): Promise<void> {
    session['acknowledged'] = true;
    ack('done');
    await this.gates.pass('after');
  }

  @SubscribeMessage('acknowledge-wrongly')
  wrong(@Session() session: Bag, @Ack() ack: (value: unknown) => void): void {
    session['acknowledged'] = true;
    ack(1n);
  }

  @UseFilters(Acknowledged)
  @SubscribeMessage('acknowledge-filtered')
  filtered(@Session() session: Bag, @Ack() ack: Callback): void {
    session['acknowledged'] = true;
    ack('done');
  }
}

@WebSocketGateway({ namespace: 'chat' })
class Chat {
  @WebSocketServer() server!: Server;

  @SubscribeMessage('say')
  async say(@Session('user') user: string, @ConnectedSocket() client: Socket, @MessageBody() text: string) {
    await client.join('room');
    this.server.to('room').emit('said', `${user}: ${text}`);
  }
}

@WebSocketGateway({ path: '/events' })
class OnAPath {
  @SubscribeMessage('user')
  user(@Session('user') user?: string) {
    return { event: 'user', data: user ?? null };
  }

  /** Ends its session, and responds after the store has announced that. */
  @SubscribeMessage('leave')
  async leave(@Session() session: Bag) {
    await session.destroy();
    await wait(100);
    return { event: 'left', data: true };
  }
}

describe('gateways on Socket.IO', () => {
  const serve = () => serveGateways('Socket.IO', [Plain, Second, Chat]);

  it('acknowledge with the result of a handler after its changes are stored', async () => {
    const { login, url, sessions } = await serve();
    const { browser, id } = await login();
    const client = await connectIo(url, { cookie: cookieOf(browser) });
    expect(await client.timeout(5000).emitWithAck('put', { deep: [1] })).toBe('put by ann');
    expect((await sessions.find(id))?.data).toMatchObject({ plain: { deep: [1] } });
  });

  it('that handle the same event each can change the session', async () => {
    const { login, url, sessions } = await serve();
    const { browser, id } = await login();
    const client = await connectIo(url, { cookie: cookieOf(browser) });
    client.emit('both');
    await eventually(async () => {
      expect((await sessions.find(id))?.data).toMatchObject({ one: true, two: true });
    });
  });

  it('hold an acknowledgement that a handler sends itself until its changes are stored', async () => {
    const { login, url, store, get, sessions } = await serve();
    const { browser, id } = await login();
    const client = await connectIo(url, { cookie: cookieOf(browser) });
    const reply = client.timeout(5000).emitWithAck('acknowledge');
    await get(Second).gates.reached('after');
    expect(await reply).toBe('done');
    expect((await sessions.find(id))?.data).toMatchObject({ acknowledged: true });
    get(Second).gates.open('after');

    const other = await login();
    const second = await connectIo(url, { cookie: cookieOf(other.browser) });
    store.failing = ['update'];
    expect(await second.timeout(5000).emitWithAck('acknowledge-filtered')).toEqual({
      error: expect.stringContaining('[session:recording] update'),
    });
    const exception = new Promise((resolve) => second.once('exception', resolve));
    let acknowledged = false;
    second.emit('acknowledge', () => (acknowledged = true));
    expect(await exception).toMatchObject({ message: 'Internal server error' });
    expect(acknowledged).toBe(false);
  });

  it('log an acknowledgement that cannot be sent after its changes are stored, and go on', async () => {
    const { login, url, logged, sessions } = await serve();
    const { browser, id } = await login();
    const client = await connectIo(url, { cookie: cookieOf(browser) });
    client.emit('acknowledge-wrongly', () => {});
    await eventually(() => logged.includes('an acknowledgement could not be sent'));
    expect((await sessions.find(id))?.data).toMatchObject({ acknowledged: true });
    expect(await client.timeout(5000).emitWithAck('put', { deep: [1] })).toBe('put by ann');
  });

  it('in a namespace can use the session and rooms', async () => {
    const { login, url } = await serve();
    const { browser } = await login();
    const client = await connectIo(`${url}/chat`, { cookie: cookieOf(browser) });
    const said = new Promise((resolve) => client.once('said', resolve));
    client.emit('say', 'hello');
    expect(await said).toBe('ann: hello');
  });

  it('close all sockets of a connection when its session is destroyed', async () => {
    const { login, url, sessions } = await serve();
    const { browser, id } = await login();
    const main = await connectIo(url, { cookie: cookieOf(browser) }, { forceNew: false });
    const chat = await connectIo(`${url}/chat`, { cookie: cookieOf(browser) }, { forceNew: false });
    expect(chat.io).toBe(main.io);
    await main.timeout(5000).emitWithAck('put', 1);
    await sessions.destroy(id);
    chat.emit('say', 'hello');
    await eventually(() => !main.connected && !chat.connected);
  });

  it('receive and send binary data unchanged', async () => {
    const { login, url } = await serve();
    const client = await connectIo(url, { cookie: cookieOf((await login()).browser) });
    const reply: unknown = await client.timeout(5000).emitWithAck('binary', Buffer.from([0, 255]));
    expect(Buffer.from(reply as ArrayBuffer)).toEqual(Buffer.from([...Buffer.from('ann'), 0, 255]));
  });

  it.each([
    ['polls', ['polling']],
    ['upgrades from polling to a WebSocket', ['polling', 'websocket']],
  ])('serve a client that %s', async (_, transports) => {
    const { login, url } = await serve();
    const headers = { cookie: cookieOf((await login()).browser) };
    const client = await connectIo(url, headers, { transports });
    expect(await client.timeout(5000).emitWithAck('put', 1)).toBe('put by ann');
    await eventually(() => client.io.engine.transport.name === transports.at(-1));
    expect(await client.timeout(5000).emitWithAck('put', 2)).toBe('put by ann');
  });

  it('accept a client that reconnects with a new cookie', async () => {
    const { login, url, sessions, store } = await serve();
    const { browser, id } = await login();
    const headers: Record<string, string> = { cookie: cookieOf(browser) };
    const client = await connectIo(url, headers, { reconnection: true, reconnectionDelay: 10 });
    expect(await client.timeout(5000).emitWithAck('put', 1)).toBe('put by ann');
    await sessions.destroy(id);
    const again = await login();
    client.io.opts.extraHeaders = { cookie: cookieOf(again.browser) };
    const lost = new Promise((resolve) => client.once('disconnect', resolve));
    client.emit('both');
    await lost;
    expect(await client.timeout(5000).emitWithAck('put', 1)).toBe('put by ann');
    expect(store.calls.at(-1)?.id).toBe(again.id);
  });
});

describe('gateways on ws', () => {
  it('on a path can use the session', async () => {
    const { login, url } = await serveGateways('ws', [OnAPath]);
    const client = await connectWs(url, { cookie: cookieOf((await login()).browser) }, '/events');
    const reply = new Promise((resolve) => client.once('message', (text) => resolve(String(text))));
    client.send(JSON.stringify({ event: 'user' }));
    expect(JSON.parse((await reply) as string)).toEqual({ event: 'user', data: 'ann' });
  });

  it('close a socket whose session was destroyed with code 1008 (policy violation)', async () => {
    const { login, url, sessions } = await serveGateways('ws', [OnAPath]);
    const { browser, id } = await login();
    const client = await connectWs(url, { cookie: cookieOf(browser) }, '/events');
    const reply = new Promise((resolve) => client.once('message', resolve));
    client.send(JSON.stringify({ event: 'user' }));
    await reply;
    await sessions.destroy(id);
    const closed = new Promise((resolve) =>
      client.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
    );
    client.send(JSON.stringify({ event: 'user' }));
    expect(await closed).toEqual({
      code: 1008,
      reason: 'the session has ended, or its secret was replaced. Connect again',
    });
  });
});

describe('gateways on a store that announces changes', () => {
  it('respond to a message that ends its session itself, and then close the socket', async () => {
    const store = new RecordingStore(new MapStore());
    const { login, url } = await serveGateways('ws', [OnAPath], { store, recheck: Infinity });
    const client = await connectWs(url, { cookie: cookieOf((await login()).browser) }, '/events');
    const received: string[] = [];
    client.on('message', (text) => received.push(String(text)));
    client.on('close', (code) => received.push(`closed with ${code}`));
    client.send(JSON.stringify({ event: 'leave' }));
    await eventually(() => received.length === 2);
    expect(received).toEqual([JSON.stringify({ event: 'left', data: true }), 'closed with 1008']);
  });
});

describe('withSessions', () => {
  const anApp = async (imports: unknown[]): Promise<INestApplication> => {
    const testing = await Test.createTestingModule({ imports: imports as [] }).compile();
    return testing.createNestApplication({ logger: false });
  };

  it('throws an error that says to import SessionModule if it is not imported', async () => {
    const app = await anApp([]);
    expect(() => withSessions(new IoAdapter(app), app)).toThrow(/Import SessionModule.forRoot/);
  });

  it('returns its adapter, and throws if it is called twice for one', async () => {
    const app = await anApp([SessionModule.forRoot({ secret: 'sockets' })]);
    const adapter = new IoAdapter(app);
    expect(withSessions(adapter, app)).toBe(adapter);
    expect(() => withSessions(adapter, app)).toThrow(/called twice/);
  });

  it.each([{ origins: ['*'] }, { origins: 'https://a.example' }, { origin: [] }])(
    'throws a TypeError for the options %o',
    async (options) => {
      const app = await anApp([SessionModule.forRoot({ secret: 'sockets' })]);
      expect(() => withSessions(new IoAdapter(app), app, options as object)).toThrow(TypeError);
    },
  );

  it('is named in the error of a gateway without it', async () => {
    const bare = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'sockets' })],
      providers: [Plain],
    }).compile();
    const lacking = bare.createNestApplication({ logger: false });
    const errors: unknown[] = [];
    lacking.useLogger({ log() {}, warn() {}, error: (error: unknown) => errors.push(error) });
    await lacking.listen(0, '127.0.0.1');
    const client = await connectIo(await lacking.getUrl());
    const exception = new Promise((resolve) => client.once('exception', resolve));
    client.emit('put', 1);
    expect(await exception).toMatchObject({ message: 'Internal server error' });
    expect(String(errors[0])).toContain('withSessions(new IoAdapter(app), app)');
    await lacking.close();
  });
});
