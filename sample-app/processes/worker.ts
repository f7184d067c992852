import { ConfigService } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { connectionsOf } from './connections.js';

/** Serves the app in one process, behind the port that all workers share. */
export async function start(): Promise<void> {
  const app = await NestFactory.create(AppModule, { abortOnError: false, logger: ['warn', 'error'] });
  const connections = connectionsOf(app.getHttpServer());
  process.once('SIGTERM', connections.end).once('SIGINT', connections.end);
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });

  const config = app.get(ConfigService);
  await app.listen(config.getOrThrow<string>('PORT'), config.getOrThrow<string>('HOST'));
}
