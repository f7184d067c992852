import type { Context, Meter } from '@opentelemetry/api';
import { CACHE_CHANNEL, type SessionCacheMessage } from '../cache/channel.js';
import {
  FEED_CHANNEL,
  SESSION_CHANNEL,
  type SessionFeedMessage,
  type SessionMessage,
  type SessionStoreMessage,
} from '../contract/diagnostics.js';
import { attributesOf, OURS } from './attributes.js';
import { subscribeTo } from './subscribe.js';

/** The bounds of the buckets that the semantic conventions recommend, in seconds. */
const BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** Measures how long calls take. Returns the function that records one that has settled. */
export function measureCalls(meter: Meter): (call: SessionStoreMessage, its: Context | undefined) => void {
  const duration = meter.createHistogram('db.client.operation.duration', {
    description: 'How long calls to session stores take.',
    unit: 's',
    advice: { explicitBucketBoundaries: BUCKETS },
  });
  return (call, its) => duration.record((call.duration ?? 0) / 1000, attributesOf(call), its);
}

/** Counts what stores, caches and the session layer report. Returns a function that ends that. */
export function countEvents(meter: Meter): () => void {
  const stops = [
    subscribeTo<SessionMessage>(SESSION_CHANNEL, sessionCounters(meter)),
    subscribeTo<SessionCacheMessage>(CACHE_CHANNEL, cacheCounters(meter)),
    subscribeTo<SessionFeedMessage>(FEED_CHANNEL, feedCounter(meter)),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function sessionCounters(meter: Meter): (message: SessionMessage) => void {
  const counter = counters(meter, '{session}');
  const created = counter('sessions.created', 'Sessions that were created.');
  const ended = counter('sessions.ended', 'Sessions that were destroyed, cleared, or ended by a limit.');
  const regenerated = counter('sessions.regenerated', 'Sessions that another one replaces, as at a login.');
  const rotated = counter('sessions.rotated', 'Sessions whose secret was replaced.');
  const limited = counters(meter, '{join}')('limits.hit', 'Joins of a group that was full.');
  const replaced = counters(meter, '{token}')('tokens.replaced', 'Replaced tokens that were presented.');
  return (message) => {
    if (message.type === 'replaced token') return replaced.add(1, { [OURS.outcome]: message.outcome });
    const by = { [OURS.store]: message.store };
    const end = (count: number, reason: string): void => {
      if (count > 0) ended.add(count, { ...by, [OURS.reason]: reason });
    };
    switch (message.type) {
      case 'created':
        return created.add(1, by);
      case 'destroyed':
        return end(1, 'destroyed');
      case 'cleared':
        return end(message.count, 'cleared');
      case 'regenerated':
        return regenerated.add(1, by);
      case 'rotated':
        return rotated.add(1, by);
      case 'limited':
        limited.add(1, { ...by, [OURS.outcome]: message.outcome });
        return end(message.ended.length, 'limited');
    }
  };
}

function cacheCounters(meter: Meter): (message: SessionCacheMessage) => void {
  const counter = counters(meter, '{lookup}');
  const hits = counter('cache.hits', 'Sessions that were found in the cache.');
  const misses = counter('cache.misses', 'Sessions that were not found in the cache.');
  const invalidated = counters(meter, '{invalidation}')(
    'cache.invalidations',
    'Times that one session, or all, were removed from the cache.',
  );
  return (message) => {
    if (message.type === 'hit') hits.add(1);
    else if (message.type === 'miss') misses.add(1, { [OURS.reason]: message.reason });
    else if (message.type === 'invalidated') invalidated.add(1, { [OURS.by]: message.by });
  };
}

function feedCounter(meter: Meter): (message: SessionFeedMessage) => void {
  const lost = counters(meter, '{interruption}')('feed.lost', 'Interruptions of the feed of a store.');
  return ({ type, store }) => {
    if (type === 'lost') lost.add(1, { [OURS.store]: store });
  };
}

function counters(meter: Meter, unit: string) {
  return (name: string, description: string) =>
    meter.createCounter(`nestjs_session_stores.${name}`, { description, unit });
}
