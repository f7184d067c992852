// The app of the README of strong-cluster-express-store: in the primary, or forked as a worker.
import cluster from 'node:cluster';
import { Controller, Get, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Session, SessionModule, SessionService } from 'nestjs-session-stores';

const here = cluster.isPrimary ? 'the primary' : `worker ${cluster.worker.id}`;

class HelloController {
  hello(session) {
    const msg = session.visited ? `Hello again from ${here}` : `Hello from ${here}`;
    session.visited = '1';
    return { msg };
  }

  logOut(session) {
    return session.destroy();
  }
}

// What @Get('hello') and the like do in TypeScript.
decorate('hello', Get('hello'));
decorate('logOut', Post('logout'));
Controller()(HelloController);

function decorate(method, route) {
  const { prototype } = HelloController;
  route(prototype, method, Object.getOwnPropertyDescriptor(prototype, method));
  Session()(prototype, method, 0);
}

/** Serves the app with the default store. Resolves to its URL and its `SessionService`. */
export async function serveHello() {
  class AppModule {}
  const imports = [SessionModule.forRoot({ secret: 'super-cool' })];
  const app = await NestFactory.create(
    { module: AppModule, imports, controllers: [HelloController] },
    { logger: false, abortOnError: false },
  );
  await app.listen(0, '127.0.0.1');
  return { url: await app.getUrl(), sessions: app.get(SessionService), close: () => app.close() };
}

if (cluster.isWorker) {
  const { url } = await serveHello();
  cluster.worker.send({ url });
}
