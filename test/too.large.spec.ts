import { randomUUID } from 'node:crypto';
import mongoose from 'mongoose';
import type { SessionStore } from 'nestjs-session-stores';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from './eventually.js';
import { serveApp } from './http/app.js';
import { startRedis } from './servers/redis.mjs';

const MEBIBYTE = 2 ** 20;

/** Stores with a size that their backend rejects, though `maxSize` allows it. */
const backends: [name: string, size: number, limit: string, open: () => Promise<SessionStore>][] = [
  [
    'MongoDB',
    16 * MEBIBYTE,
    '[session:mongo] create: the session is larger than the 16 MB that MongoDB can store',
    async () => {
      const collection = `large-${randomUUID()}`;
      const connection = await mongoose.createConnection(inject('mongo').url).asPromise();
      onTestFinished(async () => {
        await connection.db!.dropCollection(collection);
        await connection.destroy();
      });
      return new MongoStore({ connection, collection, timeout: 10_000 });
    },
  ],
  [
    'Redis',
    MEBIBYTE + 1_000,
    '[session:redis] create: the session is larger than the server accepts (proto-max-bulk-len)',
    async () => {
      const server = await startRedis({ args: ['--proto-max-bulk-len', '1mb'] });
      onTestFinished(() => server.stop());
      return new RedisStore({ url: server.url, timeout: 10_000 });
    },
  ],
];

describe.each(backends)('a session that is too large for %s', (_, size, limit, open) => {
  it('results in a 500 that does not tell the client to try again, and the next session is saved', async () => {
    const app = await serveApp(
      {
        '/put': (session, req) => {
          session['text'] = 'x'.repeat(Number(req.query['size']));
        },
      },
      { store: await open(), maxSize: Infinity },
    );
    // Redis closes the connection while the rest of the value is on its way. Its reply may get lost then, which is a 503.
    const response = await eventually(async () => {
      const tried = await app.browser().get(`/put?size=${size}`);
      if (tried.status === 503) throw new Error('503');
      return tried;
    });
    expect(response.status).toBe(500);
    expect(response.headers['retry-after']).toBeUndefined();
    expect(response.json()).toEqual({
      error: 'SessionTooLargeError',
      message: `${limit}. Keep large data elsewhere and its key in the session`,
    });
    // Redis has closed the connection.
    await eventually(async () => (await app.browser().get('/put?size=1')).status === 200);
  });
});
