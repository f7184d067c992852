import { setTimeout as wait } from 'node:timers/promises';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Session } from 'nestjs-session-stores';
import { Manager } from 'socket.io-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { everyStore } from '../stores/every.store.js';
import { RecordingStore } from '../stores/recording.store.js';
import { cookieOf, protocols, serveGateways, type Protocol, type SocketClient } from './gateway.app.js';

const isLong = process.env['LONG'] !== undefined;
const HANDSHAKES = isLong ? 1000 : 100;
/** How many handshakes are in progress at a time. */
const AT_ONCE = 25;
/** The last point at which a session is destroyed, in milliseconds after the app began to read it. */
const LAST_POINT = 40;

const CASES = (Object.keys(protocols) as Protocol[]).flatMap((protocol, at) =>
  everyStore
    .filter(([word], store) => isLong || (store === at && word !== 'mongo'))
    .map(([word, makeStore]) => [protocol, word, makeStore] as const),
);

@WebSocketGateway()
class Silent {
  @SubscribeMessage('nothing')
  nothing(): void {}
}

describe.each(CASES)(
  'handshakes over %s, on the %s store',
  { timeout: 180_000 },
  (protocol, _, makeStore) => {
    it(`leave no socket open whose session was destroyed at any point of them (${HANDSHAKES})`, async () => {
      const store = new RecordingStore(makeStore());
      const { connect, sessions } = await serveGateways(protocol, [Silent], { store, recheck: Infinity });
      const aSession = async (): Promise<{ cookie: string; id: string }> => {
        const { session, token } = await sessions.create();
        return { cookie: `sid=${token}`, id: session.id };
      };
      // The feed is followed from the first socket on.
      const kept = await connect(undefined, { cookie: (await aSession()).cookie });
      await eventually(() => store.watched === 'live');

      /** Called when the app is about to read a session. */
      const onRead = new Map<string, () => Promise<unknown>>();
      store.before = async (operation, id) => {
        if (operation === 'read') await onRead.get(id!)?.();
      };
      const clients: SocketClient[] = [];

      async function handshake(number: number): Promise<void> {
        const { cookie, id } = await aSession();
        const point = (LAST_POINT * number) / HANDSHAKES;
        const destroyed = new Promise((resolve) => {
          onRead.set(id, async () => {
            onRead.delete(id);
            const done = wait(point).then(() => sessions.destroy(id));
            resolve(done);
            // Every third session is destroyed before it is read.
            if (number % 3 === 0) await done;
          });
        });
        clients.push(await connect(undefined, { cookie }));
        await destroyed;
      }

      for (let from = 0; from < HANDSHAKES; from += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, (__, at) => handshake(from + at)));
      }
      expect(clients).toHaveLength(HANDSHAKES);
      await eventually(() => expect(clients.filter(({ isOpen }) => isOpen)).toHaveLength(0), {
        within: 1000,
      });
      expect(kept.isOpen).toBe(true);
    });
  },
);

@WebSocketGateway({ namespace: 'work' })
class Work {
  @SubscribeMessage('leave')
  async leave(@Session() session: Session) {
    await session.destroy();
    return { event: 'left', data: true };
  }
}

@WebSocketGateway({ namespace: 'news' })
class News {
  @SubscribeMessage('nothing')
  nothing(): void {}
}

describe('a connection of Socket.IO with two namespaces', () => {
  it('is closed after the response of one in which the session was destroyed', async () => {
    const { url, login } = await serveGateways('Socket.IO', [Work, News]);
    const { browser } = await login();
    const manager = new Manager(url, {
      extraHeaders: { cookie: cookieOf(browser) },
      reconnection: false,
      transports: ['websocket'],
    });
    const [work, news] = [manager.socket('/work'), manager.socket('/news')];
    onTestFinished(() => [work, news].forEach((socket) => socket.close()));
    await Promise.all(
      [work, news].map((socket) => new Promise<void>((resolve) => socket.on('connect', resolve))),
    );
    const left = new Promise((resolve) => work.on('left', resolve));
    work.emit('leave');
    expect(await left).toBe(true);
    await eventually(() => !work.connected && !news.connected);
  });
});
