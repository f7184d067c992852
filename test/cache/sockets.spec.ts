import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { FreshSession, Session } from 'nestjs-session-stores';
import { expect, it } from 'vitest';
import { protocols, serveGateways, type Bag, type Protocol } from '../sockets/gateway.app.js';
import { RecordingStore } from '../stores/recording.store.js';
import { HeldStore } from './held.store.js';

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('me')
  me(@Session() session: Bag): object {
    return { event: 'reply', data: session['user'] };
  }

  @FreshSession()
  @SubscribeMessage('fresh')
  fresh(@Session() session: Bag): object {
    return { event: 'reply', data: session['user'] };
  }
}

const CASES = (Object.keys(protocols) as Protocol[]).flatMap((protocol) => [
  { protocol, cache: true, me: 'bob' },
  { protocol, cache: { sockets: true }, me: 'ann' },
]);

it.each(CASES)(
  'a message over $protocol has, with cache: $cache and after a change elsewhere, the session of $me',
  async ({ protocol, cache, me }) => {
    const inner = new HeldStore();
    const app = await serveGateways(protocol, [Gateway], {
      store: new RecordingStore(inner),
      cache,
    });
    const { browser, id } = await app.login();
    const client = await app.connect(browser);
    client.send('me');
    expect(await client.next('reply')).toBe('ann');
    // From now on this process hears of no change.
    inner.heldEvents = [];
    await inner.update({ id }, { set: { user: '"bob"' } });
    client.send('me');
    expect(await client.next('reply')).toBe(me);
    client.send('fresh');
    expect(await client.next('reply')).toBe('bob');
  },
);
