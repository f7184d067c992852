import { inspect } from 'node:util';
import type { SessionStore } from 'nestjs-session-stores';
import { SessionStoreDecorator } from 'nestjs-session-stores/store';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, it } from 'vitest';

const password = 'hunter2';

describe('a store that is logged', () => {
  it.each<[string, SessionStore]>([
    ['a URL of Redis', new RedisStore({ url: `redis://app:${password}@localhost` })],
    ['options of Redis', new RedisStore({ redisOptions: { host: 'localhost', password } })],
    [
      'options of a Redis Cluster',
      new RedisStore({ cluster: { nodes: ['a:1'], options: { redisOptions: { password } } } }),
    ],
    ['a URI of MongoDB', new MongoStore({ uri: `mongodb://app:${password}@localhost/db` })],
    [
      'credentials of Hazelcast',
      new HazelcastStore({ config: { security: { usernamePassword: { username: 'app', password } } } }),
    ],
    [
      'a store in a decorator',
      new SessionStoreDecorator(new RedisStore({ url: `redis://app:${password}@localhost` })),
    ],
  ])('does not show the password of %s', (_, store) => {
    expect(inspect(store, { depth: Infinity, showHidden: true })).not.toContain(password);
    expect(JSON.stringify(store)).not.toContain(password);
  });
});
