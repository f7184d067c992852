import { fileURLToPath } from 'node:url';
import { ConfigService } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import helmet from 'helmet';
import { AppModule } from '../app.module.js';
import { connectionsOf } from './connections.js';

/** The built app runs in `dist`, where only its scripts are. */
const root = new URL('../../../', import.meta.url);
const pathOf = (path: string): string => fileURLToPath(new URL(path, root));

/** Serves the app in one process, behind the port that all workers share. */
export async function start(): Promise<void> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule, {
    abortOnError: false,
    logger: ['warn', 'error'],
  });
  app.use(helmet(HEADERS));
  app.useStaticAssets(pathOf('sample-app/public'), { prefix: '/assets/' });
  for (const font of ['figtree', 'fraunces']) {
    app.useStaticAssets(pathOf(`node_modules/@fontsource-variable/${font}/files`), {
      prefix: '/fonts/',
      maxAge: '1d',
    });
  }

  const connections = connectionsOf(app.getHttpServer());
  process.once('SIGTERM', connections.end).once('SIGINT', connections.end);
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });

  const config = app.get(ConfigService);
  await app.listen(config.getOrThrow<string>('PORT'), config.getOrThrow<string>('HOST'));
}

const HEADERS: Parameters<typeof helmet>[0] = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      'default-src': ["'none'"],
      'script-src': ["'self'"],
      'style-src': ["'self'"],
      'font-src': ["'self'"],
      'img-src': ["'self'"],
      'connect-src': ["'self'"],
      'form-action': ["'self'"],
      'base-uri': ["'none'"],
      'frame-ancestors': ["'none'"],
    },
  },
  // It is served over plain HTTP.
  strictTransportSecurity: false,
};
