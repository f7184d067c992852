import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { GraphQLModule } from '@nestjs/graphql';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Browser } from '../http/browser.js';
import { expectSessions } from './expectations.js';
import { AccountResolver, GraphqlClient } from './graphql.account.js';
import { createApp } from './transport.js';

const PLATFORMS = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
] as const;

for (const [platform, adapter] of PLATFORMS) {
  expectSessions({
    name: `GraphQL on ${platform}`,
    async start(options) {
      const parts = {
        imports: [
          GraphQLModule.forRoot<ApolloDriverConfig>({
            driver: ApolloDriver,
            autoSchemaFile: true,
            graphiql: false,
          }),
        ],
        providers: [AccountResolver],
      };
      const app = await createApp(options, parts, (testing) =>
        testing.createNestApplication(adapter(), { logger: false }),
      );
      await app.listen(0, '127.0.0.1');
      const url = await app.getUrl();
      return { app, client: () => new GraphqlClient(new Browser(url)) };
    },
  });
}
