import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Browser } from '../http/browser.js';
import { expectSessions } from './expectations.js';
import { AccountController, HttpClient } from './http.account.js';
import { createApp } from './transport.js';

expectSessions({
  name: 'Fastify',
  async start(options) {
    const app = await createApp(options, { controllers: [AccountController] }, (testing) =>
      testing.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false }),
    );
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    return { app, client: () => new HttpClient(new Browser(url)) };
  },
});
