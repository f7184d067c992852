import type { EntryEvent, MapListener } from 'hazelcast-client';
import { isStoreError } from '../../contract/errors.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type { HazelcastClient } from './connection.js';
import type { Envelopes } from './envelope.js';
import { failed, problemOf } from './errors.js';
import { connectedOf, forgetListener, observeConnections } from './internals.js';
import { JsonMap } from './map.js';
import { Probes } from './probes.js';

/**
 * Listens to the entries of a map of sessions. Each member sends the events of its own entries. A client does not hear
 * what it has missed, so the feed is lost whenever a connection or a member comes or goes.
 */
export async function openFeed(
  client: HazelcastClient,
  sessions: JsonMap,
  envelopes: Envelopes,
  sink: SessionFeedSink,
): Promise<SessionFeedSource> {
  const stops: (() => void)[] = [];
  const close = (): void => {
    for (const stop of stops.splice(0)) stop();
  };
  const lost = (reason: string): void => sink.lost(reason);
  const listening = (map: JsonMap, id: string): void => {
    stops.push(() => {
      map.unlisten(id).catch(() => {});
      forgetListener(client, id);
    });
  };
  try {
    checkConnections(client);
    // First, so that no listener is added to some connections only.
    stops.push(observeConnections(client, lost), observeMembers(client, lost));
    const map = new JsonMap(await client.getMap(`${sessions.name}.feed`));
    const probes = new Probes(client, map);
    const destroyed = await client.addDistributedObjectListener(({ eventType, objectName }) => {
      if (eventType === 'destroyed' && [sessions.name, map.name].includes(objectName)) {
        lost('the map of the sessions was destroyed, with all listeners');
      }
    });
    stops.push(() => {
      client.removeDistributedObjectListener(destroyed).catch(() => {});
      forgetListener(client, destroyed);
    });
    listening(sessions, await sessions.listen(announcing(envelopes, sink)));
    listening(map, await probes.listen());
    return { probe: () => probes.send().catch(fail), close };
  } catch (error) {
    close();
    throw error;
  }
}

function fail(error: unknown): never {
  throw isStoreError(error) ? error : failed('watch', error);
}

/**
 * Throws if a connection to a member is missing. When it is opened, the client adds all listeners to it, even those that
 * are removed meanwhile, and would hear each event twice from then on.
 */
function checkConnections(client: HazelcastClient): void {
  if (client.getConfig().network?.smartRouting === false) return;
  const connected = connectedOf(client);
  const all = client.getCluster().getMembers();
  if (!all.every(({ uuid }) => connected.includes(uuid.toString()))) {
    throw problemOf('watch', 'the client is not connected to every member yet');
  }
}

/**
 * The store removes an entry only if it is the tombstone of an expired session. A tombstone replaces the entry of its
 * session, which cannot be told from a change without reading the values. An added entry is a new session.
 */
function announcing(envelopes: Envelopes, sink: SessionFeedSink): MapListener<string, unknown> {
  const heard =
    (type: 'changed' | 'ended') =>
    ({ key }: EntryEvent<string, unknown>): void => {
      if (envelopes.isOurs(key)) sink.heard(type, [envelopes.idOf(key)]);
    };
  const gone = (): void => sink.lost('the map of the sessions was cleared');
  return {
    updated: heard('changed'),
    merged: heard('changed'),
    loaded: heard('changed'),
    evicted: heard('changed'),
    removed: heard('ended'),
    expired: heard('ended'),
    mapCleared: gone,
    mapEvicted: gone,
  };
}

function observeMembers(client: HazelcastClient, changed: (what: string) => void): () => void {
  const cluster = client.getCluster();
  const id = cluster.addMembershipListener({
    memberAdded: () => changed('a member joined'),
    memberRemoved: () => changed('a member left'),
  });
  return () => void cluster.removeMembershipListener(id);
}
