import type { SessionFeedEvent } from '../contract/feed.js';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { SessionChecks } from './checks.js';
import { FollowedFeed } from './followed-feed.js';
import { FollowedSecret } from './followed-secret.js';
import { IdIndex } from './id-index.js';
import type { SessionLogger } from './logger.js';

/** How often the sessions of open connections are checked by default, in milliseconds. */
export const DEFAULT_RECHECK = 30_000;

/** The longest delay of Node's timers, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** The session of a connection, and the secret that its client presented. */
export interface HeldSession {
  readonly id: string;
  /** SHA-256 of the secret, as the record holds it. */
  readonly secretHash: string;
}

/** Why a connection is closed: its session has ended, or a rotation without a grace has replaced its secret. */
export type EndReason = 'ended' | 'replaced';

/** A stream or socket that stays open only while its session lives. */
export interface Connection {
  /** Its session now, because a handler may change it; `undefined` while none is stored. */
  held(): HeldSession | undefined;
  /** Waits for what its handler does to the session at the moment; `undefined` if it does nothing. */
  settled?(): Promise<unknown> | undefined;
  /** When its session was read, by the store's clock; default: after it was registered. */
  readonly readAt?: number | undefined;
  /** Closes it. Called once. */
  end(reason: EndReason): void;
}

/** What `OpenConnections` needs. */
export interface OpenConnectionsOptions {
  store: Pick<SessionStore, 'read' | 'now'> & Partial<Pick<SessionStore, 'watch' | 'capabilities'>>;
  logger: SessionLogger;
  /** How often sessions are checked, in milliseconds; `Infinity` for never. Default {@link DEFAULT_RECHECK}. */
  every?: number | undefined;
  /** How long any session lives at most after its creation, in milliseconds; default: no limit. */
  absoluteTimeout?: number | undefined;
}

/** A connection that was registered. */
export interface OpenConnection {
  /** None of its sessions was found. Closes the connection if one of them is named, because it ended just now. */
  miss(): void;
  /** Its session was read. Whatever was announced of it since it was registered is checked now. */
  begin(): void;
  /** Whether the connection may stay open, by a newer record of its session. */
  admits(record: SessionRecord): boolean;
  /** Forgets the connection, which has closed. */
  release(): void;
}

interface Open {
  readonly connection: Connection;
  /** When it was registered, by the store's clock. */
  readonly since: number;
  isBegun: boolean;
  /** Whether none of its sessions was found. */
  isMissed: boolean;
  /** Whether the feed has named one of its sessions. */
  isNamed: boolean;
  /** Whether its session may have ended since it was read. */
  isStale: boolean;
  secret?: FollowedSecret;
}

/**
 * Closes open streams and sockets whose session has ended: as soon as the store's feed announces it, and after a period
 * at the latest, because a store may have no feed, and expiry is not announced.
 */
export class OpenConnections {
  readonly #store: OpenConnectionsOptions['store'];
  readonly #logger: SessionLogger;
  readonly #every: number;
  readonly #absoluteTimeout: number;
  readonly #index = new IdIndex<Open>();
  /** Those that have begun without a stored session. */
  readonly #without = new Set<Open>();
  readonly #checks = new SessionChecks(
    (id) => this.#check(id),
    (failures) => {
      this.#isFailing = failures > 0;
    },
  );
  readonly #feed: FollowedFeed;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #isFailing = false;

  /** Throws a `TypeError` for an `every` that is not a duration. */
  constructor({
    store,
    logger,
    every = DEFAULT_RECHECK,
    absoluteTimeout = Infinity,
  }: OpenConnectionsOptions) {
    if (typeof every !== 'number' || !(every > 0)) {
      throw new TypeError('recheck must be a positive number of milliseconds: write Infinity for never');
    }
    this.#store = store;
    this.#logger = logger;
    this.#every = every;
    this.#absoluteTimeout = absoluteTimeout;
    this.#feed = new FollowedFeed(store, logger, (event) => this.#hear(event));
  }

  /**
   * Closes a connection when its session has ended. `ids` are the sessions of which it may get one: then it is registered
   * before that is read, and `begin` is called afterwards, so that no end in between is missed. Without ids its session
   * was read before, and is read again.
   */
  register(connection: Connection, ids: readonly string[] = []): OpenConnection {
    const isStale = ids.length === 0 || !this.#feed.isLive;
    const since = connection.readAt ?? this.#store.now();
    const open: Open = { connection, since, isBegun: false, isMissed: false, isNamed: false, isStale };
    if (!this.#isClosed) this.#watch(open, ids);
    return {
      miss: () => this.#miss(open),
      begin: () => this.#begin(open),
      admits: (record) => this.#admits(open, record, connection.held()),
      release: () => this.#forget(open),
    };
  }

  /** Forgets all connections, which stay open, and those that are registered later. */
  close(): void {
    this.#isClosed = true;
    for (const open of this.#index.all()) this.#forget(open);
    this.#checks.clear();
    this.#feed.close();
  }

  #watch(open: Open, ids: readonly string[]): void {
    this.#index.place(open, ids);
    this.#feed.follow();
    if (this.#every !== Infinity)
      this.#timer ??= setInterval(() => this.#round(), Math.min(this.#every, LONGEST)).unref();
  }

  #begin(open: Open): void {
    // It may have closed while its session was read.
    if (!this.#index.has(open)) return;
    open.isBegun = true;
    const id = this.#place(open);
    // Once the feed is live, all are checked.
    if (id !== undefined && open.isStale && this.#feed.isLive) this.#checks.name(id);
  }

  #miss(open: Open): void {
    if (!this.#index.has(open)) return;
    open.isMissed = true;
    if (open.isNamed) this.#end(open, 'ended');
  }

  /** Puts a connection under the id of its session. Returns the id. */
  #place(open: Open): string | undefined {
    const { id } = open.connection.held() ?? {};
    this.#index.place(open, id === undefined ? [] : [id]);
    if (id === undefined) this.#without.add(open);
    else this.#without.delete(open);
    return id;
  }

  /** Its handler has changed its session. */
  #replace(open: Open): void {
    const id = this.#place(open);
    if (id !== undefined) this.#checks.name(id);
  }

  #forget(open: Open): void {
    this.#index.remove(open);
    this.#without.delete(open);
    if (this.#index.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#feed.rest();
  }

  #hear(event: SessionFeedEvent): void {
    if (event.type === 'live') {
      for (const id of this.#index.ids()) this.#checks.name(id);
    } else if (event.type === 'lost') {
      for (const open of this.#index.all()) open.isStale ||= !open.isBegun;
    } else if (event.type !== 'changed' || this.#store.capabilities?.exactFeed === false) {
      // Of these, a session may have been stored since.
      for (const open of this.#without) this.#place(open);
      for (const id of event.ids) this.#heard(id);
    }
  }

  #heard(id: string): void {
    const opens = this.#index.of(id);
    for (const open of opens) {
      if (open.isMissed) this.#end(open, 'ended');
      else if (!open.isBegun) open.isNamed = open.isStale = true;
    }
    if (opens.some(({ isBegun }) => isBegun)) this.#checks.name(id);
  }

  #round(): void {
    this.#feed.follow();
    for (const open of this.#without) this.#place(open);
    this.#checks.begin(this.#index.ids());
  }

  /** Checks one session. Resolves to whether the store could be read. */
  async #check(id: string): Promise<boolean> {
    // A handler that ends or rotates its session learns of it later than the feed.
    const calls = this.#index.of(id).flatMap(({ connection }) => connection.settled?.() ?? []);
    if (calls.length > 0) await Promise.allSettled(calls);
    const held = new Map(this.#index.of(id).map((open) => [open, open.connection.held()]));
    for (const [open, { id: now } = {}] of held) {
      if (!open.isBegun || now === id) continue;
      held.delete(open);
      this.#replace(open);
    }
    if (held.size === 0) return true;
    let record: SessionRecord | undefined;
    try {
      record = await this.#store.read(id);
    } catch (error) {
      if (!this.#isFailing) {
        this.#isFailing = true;
        this.#logger.error(
          'the sessions of open streams and sockets could not be checked. They stay open until the store is reachable',
          error,
        );
      }
      return false;
    }
    const now = this.#store.now();
    const isLive = record !== undefined && now < record.createdAt + this.#absoluteTimeout;
    for (const [open, before] of held) {
      if (!open.isBegun || !this.#index.has(open)) continue;
      const after = open.connection.held();
      // Its handler has changed its session meanwhile.
      if (before?.id !== after?.id || before?.secretHash !== after?.secretHash) this.#replace(open);
      else if (!isLive) this.#end(open, 'ended');
      else if (!this.#admits(open, record!, after)) this.#end(open, 'replaced');
    }
    return true;
  }

  #admits(open: Open, record: SessionRecord, held: HeldSession | undefined): boolean {
    if (!held) return false;
    if (open.secret?.presented !== held.secretHash)
      open.secret = new FollowedSecret(held.secretHash, open.since);
    return open.secret.isValid(record, this.#store.now());
  }

  #end(open: Open, reason: EndReason): void {
    this.#forget(open);
    try {
      open.connection.end(reason);
    } catch (error) {
      this.#logger.error('a stream or socket could not be closed after its session had ended', error);
    }
  }
}
