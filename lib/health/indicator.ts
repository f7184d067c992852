import { Injectable, Logger } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { checkFlag, checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import type { SessionFeedState } from '../contract/feed.js';
import { SessionStore } from '../contract/store.js';
import { reasonIn } from '../session/conditions.js';
import { probe, type ShardHealth, type StoreHealth } from './probes.js';

/** What `readiness` probes. */
export interface SessionReadinessOptions {
  /** Whether to write a session as well, which expires at once; default `false`. */
  write?: boolean | undefined;
}

/** The details of the health of sessions. They have no address, and no error of a driver. */
export interface SessionHealth {
  /** What the probes found, by shard. Absent in `liveness`. */
  shards?: ShardHealth[];
  /** Whether this process hears of the changes by others. Absent for a store without a feed. */
  feed?: SessionFeedState;
  /** Whether the cache is in use, and how many sessions it holds. Absent without a cache. */
  cache?: { state: 'in use' | 'bypassed'; sessions: number };
}

/**
 * Checks the sessions of a Nest app for `@nestjs/terminus`. A provider of a module that imports `TerminusModule`, and
 * `SessionModule` unless that is global.
 */
@Injectable()
export class SessionHealthIndicator {
  readonly #logger = new Logger(SessionHealthIndicator.name);
  /** The probes in progress, with and without a write. */
  readonly #running = new Map<boolean, Promise<StoreHealth>>();
  #outage: Outage = 'none';

  constructor(
    private readonly store: SessionStore,
    private readonly indicators: HealthIndicatorService,
  ) {}

  /**
   * Whether requests with a session can be served: `down` if a read, or with `write` a write, fails in any part of the
   * store. `degraded` (`up` in versions of terminus without that) if the feed was lost or the cache is bypassed: then
   * requests are slower, and not wrong. Ends within the store's `timeout`, with `write` within two of them. Parallel
   * calls share their probes. The reason of an outage is logged once.
   *
   * Rejects with a `TypeError` for invalid options.
   */
  async readiness<const Key extends string>(
    key: Key,
    options: SessionReadinessOptions = {},
  ): Promise<HealthIndicatorResult<Key>> {
    checkOptionsObject('readiness', options, '{ write: true }');
    const { write, ...others } = options;
    checkNoOthers('readiness', others, 'write');
    checkFlag('write', write);
    const writes = write === true;
    const { shards, error } = await this.#probe(writes);
    const failed = failedIn(shards);
    this.#note(failed, writes, error);
    return this.#result(key, failed !== 'none', { shards, ...this.#local() });
  }

  /** Never `down`, and never asks the store, because a restart of the app does not repair that. */
  liveness<const Key extends string>(key: Key): HealthIndicatorResult<Key> {
    return this.#result(key, false, this.#local());
  }

  #probe(write: boolean): Promise<StoreHealth> {
    const running = this.#running.get(write);
    if (running) return running;
    const probing = probe(this.store, write).finally(() => this.#running.delete(write));
    this.#running.set(write, probing);
    return probing;
  }

  /** What this process knows without a call. A store of another copy of this package may be older, and not know. */
  #local(): Omit<SessionHealth, 'shards'> {
    const { capabilities, feedState } = this.store;
    const { isFresh, size } = this.store as Partial<{ isFresh: boolean; size: number }>;
    return {
      ...(capabilities.feed === true && feedState !== undefined && { feed: feedState }),
      ...(isFresh !== undefined && {
        cache: { state: isFresh ? ('in use' as const) : ('bypassed' as const), sessions: size! },
      }),
    };
  }

  #result<Key extends string>(key: Key, isDown: boolean, health: SessionHealth): HealthIndicatorResult<Key> {
    const session = this.indicators.check(key);
    // An index signature, as terminus wants it.
    const details = { ...health };
    if (isDown) return session.down(details);
    const isDegraded = health.feed === 'lost' || health.cache?.state === 'bypassed';
    // Since version 12.
    if (isDegraded && typeof session.degraded === 'function') return session.degraded(details);
    return session.up(details);
  }

  /** Logs the begin and the end of an outage. Probes without a write say nothing of an outage of writes. */
  #note(failed: Outage, writes: boolean, error: unknown): void {
    const known = this.#outage;
    if (failed === 'none' && known === 'writes' && !writes) return;
    this.#outage = failed;
    if (SEVERITY[failed] > SEVERITY[known])
      this.#logger.error(`the session store is not ready: ${reasonIn(error)}`);
    if (failed === 'none' && known !== 'none') this.#logger.log('the session store is ready again');
  }
}

/** What the last probes could not do. Where reads fail, writes do, too. */
type Outage = 'none' | 'writes' | 'reads';

const SEVERITY: Record<Outage, number> = { none: 0, writes: 1, reads: 2 };

function failedIn(shards: ShardHealth[]): Outage {
  if (shards.some(({ read }) => read !== 'up')) return 'reads';
  return shards.some(({ write = 'up' }) => write !== 'up') ? 'writes' : 'none';
}
