// What sessions cost an Express app: without any, with express-session and its MemoryStore, with ours in memory.
import { availableParallelism } from 'node:os';
import { ROUNDS, compareHttp } from './http/compare.mjs';

export const title = 'HTTP: what a request costs in one Express process, 32 connections';

export async function run() {
  console.log(
    `CPU is the server process's own time a request, user and system; median of ${ROUNDS} rounds by turns, lowest and highest; Node ${process.version}, ${availableParallelism()} processors.`,
    'Ours reads and writes as the README says: saved before it is answered, the change alone, its cookie renewed with each write;',
    'express-session writes whole sessions, and its cookie is not renewed (`rolling: false`).\n',
  );
  await compareHttp(['no session', 'express-session, MemoryStore', 'ours, in memory'], {
    sizes: [300, 3_000, 100_000],
  });
}
