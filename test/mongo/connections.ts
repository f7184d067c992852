import mongoose, { type Connection } from 'mongoose';
import { afterAll, beforeAll, inject } from 'vitest';
import { startMongo } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';

/** The connections of one spec file: to the server that all share, and to one that is not a replica set. */
export interface Connections {
  shared: Connection;
  alone: Connection;
  /** The server of `alone`. */
  server: Server;
}

/** Opens the connections before the specs of a file, and closes them after these. */
export function connections(): Connections {
  const opened = {} as Connections;
  beforeAll(async () => {
    opened.server = await startMongo();
    opened.shared = await mongoose.createConnection(inject('mongo').url).asPromise();
    opened.alone = await mongoose.createConnection(opened.server.url).asPromise();
  });
  afterAll(async () => {
    await opened.shared.destroy();
    await opened.alone.destroy();
    await opened.server.stop();
  });
  return opened;
}
