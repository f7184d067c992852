import type { SessionLogger } from './config.js';
import type { SessionStore } from '../contract/store.js';
import { isGoodHash } from '../token/token.js';

/** How often what stays open is checked again unless told otherwise, in milliseconds. */
export const DEFAULT_RECHECK = 30_000;

/** How many sessions are looked up at once: thousands may be due together. */
const AT_ONCE = 64;
/** The longest that Node's timers run. */
const LONGEST = 2 ** 31 - 1;

/** The session that something open belongs to, and with which secret its client came. */
export interface HeldSession {
  readonly id: string;
  /** SHA-256 of the secret, as the record holds it. */
  readonly secretHash: string;
}

/** What stays open while its session lives: a stream, a socket. */
interface Open {
  held: () => HeldSession | undefined;
  end: () => void;
}

export interface RecheckOptions {
  store: Pick<SessionStore, 'read' | 'now'>;
  logger: SessionLogger;
  /** How often, in milliseconds; `Infinity` for never. Default {@link DEFAULT_RECHECK}. */
  every?: number | undefined;
  /** How long any session lives at most, from its creation; default: no such limit. */
  absoluteTimeout?: number | undefined;
}

/** Ends what was opened with a session once that has ended, which nothing else would tell it. */
export class SessionRecheck {
  readonly #store: RecheckOptions['store'];
  readonly #logger: SessionLogger;
  readonly #every: number;
  readonly #absoluteTimeout: number;
  readonly #open = new Set<Open>();
  #timer: NodeJS.Timeout | undefined;
  #isChecking = false;
  #isFailing = false;

  /** Throws a `TypeError` for an `every` that is no duration. */
  constructor({ store, logger, every = DEFAULT_RECHECK, absoluteTimeout = Infinity }: RecheckOptions) {
    if (typeof every !== 'number' || !(every > 0)) {
      throw new TypeError('recheck must be a positive number of milliseconds; write Infinity for never');
    }
    this.#store = store;
    this.#logger = logger;
    this.#every = every;
    this.#absoluteTimeout = absoluteTimeout;
  }

  /**
   * Calls `end`, once, when the session of `held` has ended or the secret its client came with is no longer good. It is
   * asked for at each check, because a handler may change its session; `undefined` while there is none that is stored.
   * A store that does not answer ends nothing. Returns what ends the watch.
   */
  watch(held: () => HeldSession | undefined, end: () => void): () => void {
    const open = { held, end };
    this.#open.add(open);
    if (this.#every !== Infinity) {
      this.#timer ??= setInterval(() => void this.#checkAll(), Math.min(this.#every, LONGEST)).unref();
    }
    return () => this.#forget(open);
  }

  /** Ends all watches; what they watched stays as it is. */
  close(): void {
    for (const open of this.#open) this.#forget(open);
  }

  #forget(open: Open): void {
    this.#open.delete(open);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #checkAll(): Promise<void> {
    // A slow store is not asked more often than it answers.
    if (this.#isChecking) return;
    this.#isChecking = true;
    const byId = new Map<string, [Open, secretHash: string][]>();
    for (const open of this.#open) {
      const held = open.held();
      if (!held) continue;
      const others = byId.get(held.id);
      if (others) others.push([open, held.secretHash]);
      else byId.set(held.id, [[open, held.secretHash]]);
    }
    const sessions = [...byId];
    let failures = 0;
    for (let at = 0; at < sessions.length; at += AT_ONCE) {
      const some = sessions.slice(at, at + AT_ONCE);
      const done = await Promise.all(some.map(([id, opens]) => this.#check(id, opens)));
      const failed = done.filter((one) => !one).length;
      failures += failed;
      // The store is away: each of the others would wait for its deadline too.
      if (failed === some.length) break;
    }
    this.#isFailing = failures > 0;
    this.#isChecking = false;
  }

  /** Resolves to whether the store answered. */
  async #check(id: string, opens: [Open, secretHash: string][]): Promise<boolean> {
    let record: Awaited<ReturnType<SessionStore['read']>>;
    try {
      record = await this.#store.read(id);
    } catch (error) {
      if (!this.#isFailing) {
        this.#isFailing = true;
        this.#logger.error(
          'open streams and sockets were not checked again, and stay open until the store answers',
          error,
        );
      }
      return false;
    }
    const now = this.#store.now();
    const isLive = record !== undefined && now < record.createdAt + this.#absoluteTimeout;
    for (const [open, secretHash] of opens) {
      if (isLive && isGoodHash(record!, secretHash, now)) continue;
      const held = open.held();
      // What its handler changed meanwhile is looked at the next time.
      if (!this.#open.has(open) || held?.id !== id || held.secretHash !== secretHash) continue;
      this.#forget(open);
      try {
        open.end();
      } catch (error) {
        this.#logger.error('what a session had open could not be closed when it had ended', error);
      }
    }
    return true;
  }
}
