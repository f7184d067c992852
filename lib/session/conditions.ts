import { LRUCache } from 'lru-cache';
import type { SessionLogger } from './logger.js';

/** A condition that spans many requests and is logged once. */
export type Condition =
  /** The store cannot be read. */
  | 'unreachable'
  /** The store can be read, but rejects what only renews a session. */
  | 'not renewed'
  /** The clock of this host and the store's differ. */
  | 'clocks differ'
  /** Requests present more tokens than are read. */
  | 'many tokens'
  | 'cookie needs HTTPS'
  | 'proxy is not trusted'
  | 'cookie is dropped'
  | 'value is lost'
  | 'misses a group'
  | 'changed too late'
  /** A request of a page of another site began a session that its client does not get. */
  | 'isolated';

/** How often a warning about one session is logged at most, in milliseconds. */
const RARELY = 60_000;

/** Logs a condition when a request first meets it, and again only if it has ended meanwhile. */
export class Conditions {
  /** The sessions that a warning was logged about recently. */
  readonly #warnedOf = new LRUCache<string, true>({ max: 1000, ttl: RARELY });
  readonly #holding = new Set<Condition>();

  constructor(private readonly logger: SessionLogger) {}

  /** Whether a condition was logged and has not ended. */
  holds(condition: Condition): boolean {
    return this.#holding.has(condition);
  }

  /** Logs a warning, unless the condition holds already. */
  begin(condition: Condition, warning: string): void {
    if (this.#holding.has(condition)) return;
    this.#holding.add(condition);
    this.logger.warn(warning);
  }

  /** Logs a warning about one session, unless one was logged within a minute: its client may repeat the request. */
  warnOf(session: string, warning: string): void {
    if (this.#warnedOf.has(session)) return;
    this.#warnedOf.set(session, true);
    this.logger.warn(warning);
  }

  end(condition: Condition): void {
    this.#holding.delete(condition);
  }
}

/** The message of an error, followed by that of its cause, which says what a backend replied. */
export function reasonIn(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return cause instanceof Error && cause.message !== '' ? `${message} (${cause.message})` : message;
}
