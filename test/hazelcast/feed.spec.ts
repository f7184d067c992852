import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { SessionFeedSink, SessionFeedSource } from 'nestjs-session-stores/store';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { startHazelcast } from '../servers/hazelcast.mjs';
import { Endings } from '../stores/endings.js';
import type { FeedLedger } from '../stores/feed.ledger.js';
import { expectNothingSkippedWhileStopped } from '../stores/stopped.watcher.js';
import { connect, type HazelcastClient } from './client.js';
import { listening, opened } from './opened.js';
import { twoClients } from './two.clients.js';

const LONG = process.env['LONG'] !== undefined;
const { config, clients, withStores } = twoClients();

/** A map of its own, which is destroyed after the test. */
function ownMaps(): { mapName: string; maps: [{ mapName: string }] } {
  const mapName = randomUUID();
  onTestFinished(async () => {
    for (const name of [mapName, `${mapName}.feed`]) await (await clients[0].getMap(name)).destroy();
  });
  return { mapName, maps: [{ mapName }] };
}

describe('a watcher', () => {
  it('hears of what another client does, in order', () =>
    withStores(async ([store, writer]) => {
      const ledger = await listening(store);
      const record = aRecord(randomUUID(), { groups: ['g'] });
      await writer.create(record);
      await writer.update(record, { set: { b: '2' } });
      await writer.rotate(record, record.secretHash, 'next', 1000);
      await writer.regenerate(record.id);
      await writer.destroy(record.id);
      await ledger.complete();
      expect(ledger.typesOf(record.id)).toEqual(['changed', 'changed', 'changed', 'changed']);
    }));

  it('hears that the tombstone of an expired session is removed', () =>
    withStores(async ([store, writer]) => {
      const ledger = await listening(store);
      const record = aRecord(randomUUID(), { expiresAt: Date.now() + 100 });
      await writer.create(record);
      await wait(150);
      await writer.destroy(record.id);
      await ledger.complete();
      expect(ledger.typesOf(record.id)).toEqual(['changed', 'ended']);
    }));

  it.runIf(LONG)('hears of the end of a session when its entry expires', () =>
    withStores(async ([store, writer]) => {
      const ledger = await listening(store);
      const record = aRecord(randomUUID(), { expiresAt: Date.now() + 100 });
      await writer.create(record);
      await eventually(() => ledger.typesOf(record.id).includes('ended'));
    }),
  );

  it('hears nothing of new sessions, of other prefixes, and of entries of other programs', async () => {
    const { mapName, maps } = ownMaps();
    const stores = ['', 'a', 'a/b'].map((prefix) => new HazelcastStore({ client: clients[0], prefix, maps }));
    const ledgers: FeedLedger[] = [];
    for (const store of stores) {
      onTestFinished(() => store.close());
      await store.open();
      ledgers.push(await listening(store));
    }
    for (const store of stores) await store.create(aRecord('k'));
    await stores[1]!.update(aRecord('k'), { set: { b: '2' } });
    const map = await clients[0].getMap<unknown, unknown>(mapName);
    for (const key of [7, 'c/k']) {
      await map.put(key, { a: 1 });
      await map.put(key, { a: 2 });
      await map.delete(key);
    }
    for (const ledger of ledgers) await ledger.complete();
    expect(ledgers.map(({ events }) => events)).toEqual([
      [{ type: 'live' }],
      [{ type: 'live' }, { type: 'changed', ids: ['k'] }],
      [{ type: 'live' }],
    ]);
  });

  it.each(['clear', 'evictAll', 'destroy'] as const)(
    'loses the feed at a `%s` of the map, and hears again of what comes after',
    async (how) => {
      const { mapName, maps } = ownMaps();
      const store = await opened({ client: clients[0], maps });
      const ledger = await listening(store);
      await store.create(aRecord('k'));
      await (await clients[1].getMap(mapName))[how]();
      await eventually(() => ledger.losses.length > 0);
      expect(ledger.losses[0]).toMatch(
        /^the map of the sessions was (cleared|destroyed, with all listeners)$/,
      );
      await ledger.complete();
      const last = await new Endings(store, [ledger]).end();
      await ledger.expectNothingSkipped();
      expect(ledger.hasHeard(last)).toBe(true);
    },
  );

  it('of a given client leaves it open and without listeners, whether it or its store is closed', async () => {
    const client = await connect();
    onTestFinished(() => client.shutdown());
    const { mapName, maps } = ownMaps();
    const unused = listenersOf(client);
    const store = await opened({ client, maps });
    const before = listenersOf(client);
    const watch = await store.watch(() => {});
    expect(listenersOf(client)).not.toEqual(before);
    watch.close();
    expect(listenersOf(client)).toEqual(before);
    await store.watch(() => {});
    const ledger = await listening(store);
    await store.create(aRecord('k'));
    await (await client.getMap(mapName)).clear();
    await eventually(() => ledger.losses.length > 0);
    await ledger.complete();
    await store.close();
    expect(listenersOf(client)).toEqual(unused);
    expect(client.getLifecycleService().isRunning()).toBe(true);
  });

  it.runIf(LONG)('leaves no entry behind', async () => {
    const { mapName, maps } = ownMaps();
    const ledger = await listening(await opened({ client: clients[0], maps }));
    await ledger.complete();
    const map = await clients[0].getMap(`${mapName}.feed`);
    expect(await map.size()).toBe(10);
    ledger.close();
    // Members remove expired entries from time to time.
    await eventually(async () => (await map.size()) === 0, { within: 25_000 });
  });
});

/** How many listeners a client has, by their kind. */
function listenersOf(client: HazelcastClient): Record<string, number> {
  const { connectionManager, listenerService, clusterService } = client as unknown as {
    connectionManager: { listenerCount(event: string): number };
    listenerService: { registrations: Map<string, unknown> };
    clusterService: { listeners: Map<string, unknown> };
  };
  return {
    added: connectionManager.listenerCount('connectionAdded'),
    removed: connectionManager.listenerCount('connectionRemoved'),
    entries: listenerService.registrations.size,
    members: clusterService.listeners.size,
  };
}

/** A store whose source can be probed as often as a spec likes. */
class ProbedStore extends HazelcastStore {
  async source(sink: SessionFeedSink): Promise<SessionFeedSource> {
    return this.within('watch', (deadline) => this.doWatch(sink, deadline));
  }
}

it.runIf(LONG)(
  'members with five event threads send each end before the echo of the next probe',
  async () => {
    const { clusterName, addresses, stop } = await startHazelcast({ members: 2, eventThreads: 5 });
    onTestFinished(stop);
    const options = { config: { ...config, clusterName, network: { clusterMembers: addresses } } };
    const writer = await opened(options);
    const store = new ProbedStore(options);
    onTestFinished(() => store.close());
    await store.open();
    const heard = new Set<string>();
    const lost: string[] = [];
    const source = await store.source({
      heard: (_, some) => some.forEach((id) => heard.add(id)),
      lost: (reason) => lost.push(reason),
    });
    const acknowledged: string[] = [];
    const ids = Array.from({ length: 20_000 }, () => randomUUID());
    const writing = Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
          await writer.create(aRecord(id));
          await writer.destroy(id);
          acknowledged.push(id);
        }
      }),
    );
    const late: string[] = [];
    while (ids.length > 0) {
      const before = acknowledged.splice(0);
      await source.probe();
      late.push(...before.filter((id) => !heard.has(id)));
    }
    await writing;
    source.close();
    expect(late).toEqual([]);
    expect(lost).toEqual([]);
  },
  120_000,
);

describe('a process that watches', () => {
  it.runIf(LONG)(
    'and is stopped for a while never counts as complete beyond what it has heard',
    () =>
      withStores(async ([writer, other], prefix) => {
        const ledger = await listening(other);
        await expectNothingSkippedWhileStopped('hazelcast', { config, prefix }, writer);
        // Watchers of other processes are not disturbed.
        expect(ledger.losses).toEqual([]);
      }),
    60_000,
  );

  it('ends by itself if nothing else keeps it', async () => {
    const script = `
      import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
      const store = new HazelcastStore({ config: ${JSON.stringify(config)} });
      await store.open();
      await store.watch(() => {});
      await store.close();
    `;
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000 });
  });
});
