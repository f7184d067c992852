import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import { FEED_TIMEOUT } from '../../contract/feed-run.js';
import type { Deadline } from '../../contract/deadline.js';
import type { RedisConnection } from './connection.js';
import { FeedPosition } from './feed-position.js';
import { FEED, WATCH } from './feed.scripts.js';
import type { Layout } from './layout.js';
import type { ScriptRunner } from './runner.js';

/** For how long a server announces changes after a probe, in milliseconds. */
const WATCHED_FOR = 3 * FEED_TIMEOUT;

const UNREADABLE = 'an announcement could not be read';

const MOVING = 'a slot is moving to another node of the Cluster';

const TYPES = { c: 'changed', r: 'rotated', e: 'ended' } as const;

/**
 * Hears the announcements of all shards. Each has a position: the number of its announcements. Probes read the positions
 * over the connection for commands. So it does not matter which node of a Cluster passes an announcement on, or why one
 * is missed: after a failover, a moved slot, a lost message or a flush the position is not the expected one.
 */
export class RedisFeed implements SessionFeedSource {
  private readonly positions: readonly FeedPosition[];
  private unsubscribe: (() => void) | undefined;

  /** @param inTime runs a probe of one shard under a deadline */
  constructor(
    private readonly runner: ScriptRunner,
    private readonly layout: Layout,
    private readonly sink: SessionFeedSink,
    private readonly inTime: <T>(work: (deadline: Deadline) => Promise<T>) => Promise<T>,
  ) {
    this.positions = layout.shards.map(() => new FeedPosition());
  }

  async open(connection: RedisConnection): Promise<this> {
    const channels = this.layout.shards.map((shard) => shard + FEED);
    this.unsubscribe = await connection.subscribe('watch', channels, {
      message: (shard, text) => this.hear(shard, text),
      broken: () => this.sink.lost('the connection to Redis was closed'),
    });
    return this;
  }

  async probe(): Promise<void> {
    await Promise.all(this.positions.map((position, shard) => position.reach(() => this.watch(shard))));
  }

  close(): void {
    this.unsubscribe?.();
  }

  private async watch(shard: number): Promise<{ position: number; wasWatched: boolean }> {
    const key = this.layout.shards[shard] + FEED;
    const [was, position] = await this.inTime((deadline) =>
      this.runner.run('watch', deadline, shard, WATCH, key, [WATCHED_FOR]),
    );
    if (was === null) throw new Error(MOVING);
    return { position: Number(position), wasWatched: was === 1 };
  }

  private hear(shard: number, text: string): void {
    const [, position, kind, rest] = /^(\d*)([creE])(.*)$/s.exec(text) ?? [];
    if (kind === undefined || rest === undefined) return this.sink.lost(UNREADABLE);
    const ended = kind === 'E' ? idsIn(rest) : [];
    if (ended === undefined) return this.sink.lost(UNREADABLE);
    if (kind === 'E') this.sink.heard('ended', ended);
    else this.sink.heard(TYPES[kind as keyof typeof TYPES], [rest]);
    const problem = position === '' ? MOVING : this.positions[shard]?.hear(Number(position));
    if (problem !== undefined) this.sink.lost(problem);
  }
}

/** The ids in an announcement; `undefined` if it is malformed, because other programs can publish too. */
function idsIn(text: string): string[] | undefined {
  try {
    const ids: unknown = JSON.parse(text);
    return Array.isArray(ids) && ids.every((id) => typeof id === 'string') ? ids : undefined;
  } catch {
    return undefined;
  }
}
