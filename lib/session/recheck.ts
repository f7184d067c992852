import type { SessionLogger } from './logger.js';
import type { SessionStore } from '../contract/store.js';
import { isValidHash } from './admission.js';

/** How often open streams and sockets are checked by default, in milliseconds. */
export const DEFAULT_RECHECK = 30_000;

/** How many sessions are read in parallel: thousands may be due at once. */
const AT_ONCE = 64;
/** The longest delay of Node's timers, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** The session of an open stream or socket, and the secret that its client presented. */
export interface HeldSession {
  readonly id: string;
  /** SHA-256 of the secret, as the record holds it. */
  readonly secretHash: string;
}

/** A stream or socket that stays open only while its session lives. */
interface Open {
  held: () => HeldSession | undefined;
  end: () => void;
}

/** What a `SessionRecheck` needs. */
export interface RecheckOptions {
  store: Pick<SessionStore, 'read' | 'now'>;
  logger: SessionLogger;
  /** How often sessions are checked, in milliseconds; `Infinity` for never. Default {@link DEFAULT_RECHECK}. */
  every?: number | undefined;
  /** How long any session lives at most after its creation, in milliseconds; default: no limit. */
  absoluteTimeout?: number | undefined;
}

/**
 * Checks the sessions of open streams and sockets, and closes those whose session has ended, which nothing else would
 * detect.
 */
export class SessionRecheck {
  readonly #store: RecheckOptions['store'];
  readonly #logger: SessionLogger;
  readonly #every: number;
  readonly #absoluteTimeout: number;
  readonly #open = new Set<Open>();
  #timer: NodeJS.Timeout | undefined;
  #isChecking = false;
  #isFailing = false;
  /** The session with which the next round begins, because the last one stopped before it. */
  #nextId: string | undefined;

  /** Throws a `TypeError` for an `every` that is not a duration. */
  constructor({ store, logger, every = DEFAULT_RECHECK, absoluteTimeout = Infinity }: RecheckOptions) {
    if (typeof every !== 'number' || !(every > 0)) {
      throw new TypeError('recheck must be a positive number of milliseconds: write Infinity for never');
    }
    this.#store = store;
    this.#logger = logger;
    this.#every = every;
    this.#absoluteTimeout = absoluteTimeout;
  }

  /**
   * Calls `end`, once, when the session of `held` has ended, or the secret that its client presented is no longer
   * valid. `held` is called at each check, because a handler may change its session; it returns `undefined` while no
   * session is stored. An unreachable store ends nothing. Returns a function that stops the watch.
   */
  watch(held: () => HeldSession | undefined, end: () => void): () => void {
    const open = { held, end };
    this.#open.add(open);
    if (this.#every !== Infinity) {
      this.#timer ??= setInterval(() => void this.#checkAll(), Math.min(this.#every, LONGEST)).unref();
    }
    return () => this.#forget(open);
  }

  /** Stops all watches. The streams and sockets stay open. */
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
    // A slow store must not get a second round of reads before the first has ended.
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
    const first = sessions.findIndex(([id]) => id === this.#nextId);
    // Sessions that cannot be read must not keep those behind them from ever being checked.
    if (first > 0) sessions.push(...sessions.splice(0, first));
    this.#nextId = undefined;
    let failures = 0;
    for (let at = 0; at < sessions.length; at += AT_ONCE) {
      const some = sessions.slice(at, at + AT_ONCE);
      const done = await Promise.all(some.map(([id, opens]) => this.#check(id, opens)));
      const failed = done.filter((one) => !one).length;
      failures += failed;
      // The store is unreachable: each further read would wait for its deadline too.
      if (failed === some.length) {
        this.#nextId = sessions[(at + AT_ONCE) % sessions.length]![0];
        break;
      }
    }
    this.#isFailing = failures > 0;
    this.#isChecking = false;
  }

  /** Checks one session. Resolves to whether the store could be read. */
  async #check(id: string, opens: [Open, secretHash: string][]): Promise<boolean> {
    let record: Awaited<ReturnType<SessionStore['read']>>;
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
    for (const [open, secretHash] of opens) {
      if (isLive && isValidHash(record!, secretHash, now)) continue;
      const held = open.held();
      // If the handler changed its session meanwhile, the next round checks it.
      if (!this.#open.has(open) || held?.id !== id || held.secretHash !== secretHash) continue;
      this.#forget(open);
      try {
        open.end();
      } catch (error) {
        this.#logger.error('a stream or socket could not be closed after its session had ended', error);
      }
    }
    return true;
  }
}
