import { ExpressAdapter } from '@nestjs/platform-express';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { FreshSession, Session } from 'nestjs-session-stores';
import { expect, it } from 'vitest';
import { serveSubscriptions } from '../graphql/subscription.app.js';
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

it.each([
  { cache: true, user: 'bob', reads: 1 },
  { cache: { sockets: true }, user: 'ann', reads: 0 },
])(
  'a subscription of GraphQL has, with cache: $cache and after a change elsewhere, the session of $user',
  async ({ cache, user, reads }) => {
    const inner = new HeldStore();
    const app = await serveSubscriptions(new ExpressAdapter(), { options: { store: inner, cache } });
    const id = await app.login();
    const client = app.open();
    expect(await client.ask('{ user }')).toEqual({ data: { user: 'ann' } });
    // From now on this process hears of no change.
    inner.heldEvents = [];
    await inner.update({ id }, { set: { user: '"bob"' } });
    const before = inner.reads;
    const { value } = await client.events('subscription { userEvents }').next();
    expect({ events: value.data.userEvents, reads: inner.reads - before }).toEqual({ events: user, reads });
  },
);
