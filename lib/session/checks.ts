/** How many sessions are read in parallel: thousands may be due at once. */
const AT_ONCE = 64;

/**
 * The sessions that must be checked, each once however often it is named, some in parallel. A session that is named while
 * it is checked is checked again. Those that were named come before those of a round.
 */
export class SessionChecks {
  readonly #check: (id: string) => Promise<boolean>;
  readonly #ended: (failures: number) => void;
  readonly #named = new Set<string>();
  readonly #round = new Set<string>();
  #isRunning = false;
  /** Whether some of those that are being checked belong to a round. */
  #isInRound = false;
  /** The session with which the next round begins, because the last one stopped before it. */
  #nextId: string | undefined;

  /**
   * @param check checks one session, and resolves to whether the store could be read
   * @param ended called when nothing is due any more, with the number of failures
   */
  constructor(check: (id: string) => Promise<boolean>, ended: (failures: number) => void) {
    this.#check = check;
    this.#ended = ended;
  }

  /** Checks one session soon. */
  name(id: string): void {
    this.#named.add(id);
    if (!this.#isRunning) void this.#run();
  }

  /** Checks many. Does nothing while an earlier round runs: a slow store must not get another one on top. */
  async begin(ids: Iterable<string>): Promise<void> {
    if (this.#isInRound || this.#round.size > 0) return;
    const all = [...ids];
    const first = all.findIndex((id) => id === this.#nextId);
    // Sessions that cannot be read must not keep those behind them from ever being checked.
    if (first > 0) all.push(...all.splice(0, first));
    this.#nextId = undefined;
    for (const id of all) this.#round.add(id);
    if (!this.#isRunning) await this.#run();
  }

  /** Drops what is due. */
  clear(): void {
    this.#named.clear();
    this.#round.clear();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let failures = 0;
    for (let some = this.#take(); some.length > 0; some = this.#take()) {
      const done = await Promise.all(some.map((id) => this.#check(id)));
      failures += done.filter((isDone) => !isDone).length;
      if (done.includes(true)) continue;
      // The store is unreachable: each further read would wait for its deadline too.
      [this.#nextId] = this.#round;
      this.clear();
    }
    this.#isRunning = false;
    this.#isInRound = false;
    this.#ended(failures);
  }

  #take(): string[] {
    const some: string[] = [];
    this.#isInRound = this.#named.size < AT_ONCE && this.#round.size > 0;
    for (const due of [this.#named, this.#round]) {
      for (const id of due) {
        if (some.length === AT_ONCE) return some;
        due.delete(id);
        some.push(id);
      }
    }
    return some;
  }
}
