// An app with open connections of every kind: `node app.process.mjs <store> <options> <port>`. It says when it listens, and
// then does what it is told: see `tasks`.
import 'reflect-metadata';
import { ApolloDriver } from '@nestjs/apollo';
import { Controller, Module, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GraphQLModule, Resolver, Subscription } from '@nestjs/graphql';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { subscriptionsWithSessions } from 'nestjs-session-stores/graphql';
import { SessionModule, SessionService } from 'nestjs-session-stores';
import { withSessions } from 'nestjs-session-stores/sockets';
import { finalize, interval, map } from 'rxjs';

/** How often each connection gets an event, in milliseconds. */
const EVERY = 50;

const stores = {
  cluster: () => import('nestjs-session-stores/stores/cluster').then(({ ClusterStore }) => ClusterStore),
  redis: () => import('nestjs-session-stores/stores/redis').then(({ RedisStore }) => RedisStore),
  mongo: () => import('nestjs-session-stores/stores/mongo').then(({ MongoStore }) => MongoStore),
  hazelcast: () =>
    import('nestjs-session-stores/stores/hazelcast').then(({ HazelcastStore }) => HazelcastStore),
};

/** When the app closed a connection, by kind, and how many events it emitted on a connection that it had closed. */
const closed = { sse: [], socket: [], subscription: [] };
let late = 0;

/** Numbers until their connection is closed. `isClosed` says whether it is. */
const numbers = (isClosed) =>
  interval(EVERY).pipe(
    map((number) => {
      if (isClosed()) late++;
      return number;
    }),
  );

class Streams {
  events() {
    let isClosed = false;
    const ended = () => {
      isClosed = true;
      closed.sse.push(Date.now());
    };
    return numbers(() => isClosed).pipe(
      map((data) => ({ data })),
      finalize(ended),
    );
  }
}
Controller()(Streams);
Sse('events')(Streams.prototype, 'events', Object.getOwnPropertyDescriptor(Streams.prototype, 'events'));

class Gateway {
  handleConnection(client) {
    const { conn } = client;
    const { close } = conn;
    conn.close = (...args) => {
      client.data.isClosed = true;
      closed.socket.push(Date.now());
      return close.apply(conn, args);
    };
  }

  numbers(client) {
    return numbers(() => client.data.isClosed === true).pipe(map((data) => ({ event: 'number', data })));
  }
}
WebSocketGateway()(Gateway);
SubscribeMessage('numbers')(
  Gateway.prototype,
  'numbers',
  Object.getOwnPropertyDescriptor(Gateway.prototype, 'numbers'),
);

class Numbers {
  async *numbers() {
    for (let number = 0; ; number++) {
      yield { numbers: number };
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }
}
Resolver()(Numbers);
Subscription('numbers')(
  Numbers.prototype,
  'numbers',
  Object.getOwnPropertyDescriptor(Numbers.prototype, 'numbers'),
);

/** Notes when the app closes a WebSocket of subscriptions, and what it sends after that. */
function onConnect({ extra: { socket } }) {
  const { close, send } = socket;
  let isClosed = false;
  socket.close = (...args) => {
    // graphql-ws closes it once more.
    if (!isClosed) closed.subscription.push(Date.now());
    isClosed = true;
    return close.apply(socket, args);
  };
  socket.send = (...args) => {
    if (isClosed) late++;
    return send.apply(socket, args);
  };
}

const [word, options, port] = process.argv.slice(2);
const Store = await stores[word]();

class AppModule {}
Module({
  imports: [
    SessionModule.forRoot({
      secret: 'a secret of 32 characters at least',
      store: new Store(JSON.parse(options)),
      recheck: Infinity,
    }),
    GraphQLModule.forRoot({
      driver: ApolloDriver,
      typeDefs: 'type Query { none: Int } type Subscription { numbers: Int }',
      subscriptions: subscriptionsWithSessions({ 'graphql-ws': { onConnect } }),
    }),
  ],
  controllers: [Streams],
  providers: [Gateway, Numbers],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.useWebSocketAdapter(withSessions(new IoAdapter(app), app));
await app.listen(port, '127.0.0.1');
const sessions = app.get(SessionService);

const tasks = {
  /** Creates sessions in a group. Returns their tokens. */
  async create({ count, group }) {
    const created = await Promise.all(
      Array.from({ length: count }, () => sessions.create({}, { groups: [group] })),
    );
    return created.map(({ token }) => token);
  },
  /** Clears a group. Returns when that was acknowledged. */
  async clear({ group }) {
    await sessions.clearGroup(group);
    return Date.now();
  },
  report: () => ({ closed, late }),
};

process.on('message', async ({ id, task, args }) => {
  // The store of a worker gets messages too.
  if (!Object.hasOwn(tasks, task ?? '')) return;
  process.send({ id, result: await tasks[task](args) });
});
process.on('disconnect', () => process.exit());
process.send({ listens: true });
