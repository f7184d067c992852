// The cost of sessions in an Express app: without any, with express-session and its MemoryStore, with ours in memory.
import { availableParallelism } from 'node:os';
import { ROUNDS, compareHttp } from './http/compare.mjs';
import * as socketless from './http/socketless.mjs';

export const title = 'HTTP: the cost of a request in one Express process, 32 connections';

export async function run() {
  console.log(
    `CPU is the user and system time of the server process per request; median (lowest–highest) of ${ROUNDS} alternating rounds; Node ${process.version}, ${availableParallelism()} processors.`,
    'Ours writes only the change, saves before the response, and renews the cookie with each write;',
    'express-session writes whole sessions, and its cookie is not renewed (`rolling: false`).\n',
  );
  await compareHttp(['no session', 'express-session, MemoryStore', 'ours, in memory'], {
    sizes: [300, 3_000, 100_000],
  });
  console.log(
    `\nThe same without sockets, 300 bytes: µs of CPU per request; median (lowest–highest) of ${socketless.ROUNDS} alternating rounds of ${socketless.REQUESTS} requests.`,
    '`middleware` is sessionMiddleware() alone; `module` is SessionModule, whose guard and interceptor run too.\n',
  );
  await socketless.compareSocketless();
}
