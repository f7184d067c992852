import type { Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { sessionStoreLaws } from 'nestjs-session-stores/testing';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { WorkerStore, forkWorker, killWorker } from '../../../test/cluster/worker.store.js';

type Pair = (options: { name: string }) => readonly [SessionStore, SessionStore];

function keepsTheLaws(pair: Pair): void {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, async () => {
      const stores = pair({ name: randomUUID() });
      try {
        for (const store of stores) await store.open();
        await law.holds(stores);
      } finally {
        for (const store of stores) await store.close();
      }
    });
  }
}

describe('two stores in one process keep the law', () => {
  keepsTheLaws((options) => [new ClusterStore(options), new ClusterStore(options)]);
});

describe('in a cluster', () => {
  let workers: [Worker, Worker, Worker];
  let stop: () => void;

  beforeAll(async () => {
    stop = serveSessions();
    workers = [await forkWorker(), await forkWorker(), await forkWorker({ serialization: 'advanced' })];
  });
  afterAll(async () => {
    for (const worker of workers) await killWorker(worker);
    stop();
  });

  describe('two workers keep the law', () => {
    keepsTheLaws((options) => [new WorkerStore(workers[0], options), new WorkerStore(workers[1], options)]);
  });

  describe('a worker with advanced serialization and the primary keep the law', () => {
    keepsTheLaws((options) => [new WorkerStore(workers[2], options), new ClusterStore(options)]);
  });
});
