/** A read of a session that has not settled. */
export interface Reading {
  readonly id: string;
  /** When it began, by `performance.now()`. */
  readonly begunAt: number;
  /** Whether the session may have changed since it began. Then what it reads is not cached. */
  isVoid: boolean;
}

/** The reads in flight. Holds nothing of those that have settled or were voided. */
export class ReadsInFlight {
  readonly #byId = new Map<string, Set<Reading>>();

  /** How many sessions have a read in flight that may be cached. */
  get size(): number {
    return this.#byId.size;
  }

  begin(id: string): Reading {
    const reading: Reading = { id, begunAt: performance.now(), isVoid: false };
    const others = this.#byId.get(id);
    if (others) others.add(reading);
    else this.#byId.set(id, new Set([reading]));
    return reading;
  }

  /** The read has settled. */
  end(reading: Reading): void {
    const readings = this.#byId.get(reading.id);
    // A voided one is not among them, and a newer one may be.
    if (readings?.delete(reading) && readings.size === 0) this.#byId.delete(reading.id);
  }

  /** The session has changed, or is about to. */
  void(id: string): void {
    for (const reading of this.#byId.get(id) ?? []) reading.isVoid = true;
    this.#byId.delete(id);
  }

  /** Any session may have changed. */
  voidAll(): void {
    for (const id of this.#byId.keys()) this.void(id);
  }
}
