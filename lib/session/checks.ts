/** How many sessions are read in parallel: thousands may be due at once. */
const AT_ONCE = 64;

/** How long after a failure the sessions that were named are checked again, in milliseconds. */
const RETRY = 1000;

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
  #retry: NodeJS.Timeout | undefined;
  /** The session with which the next round begins, because the last one stopped before it. */
  #nextId: string | undefined;

  /**
   * @param check checks one session, and resolves to whether the store could be read
   * @param ended called when no more checks run, with the number of failures
   */
  constructor(check: (id: string) => Promise<boolean>, ended: (failures: number) => void) {
    this.#check = check;
    this.#ended = ended;
  }

  /** Checks one session soon, and again until it could be read. */
  name(id: string): void {
    this.#named.add(id);
    if (!this.#isRunning && !this.#retry) void this.#run();
  }

  /** Checks many, once. Does nothing while checks run: a slow store must not get more on top. */
  begin(ids: Iterable<string>): void {
    if (this.#isRunning) return;
    const all = [...ids];
    const first = all.findIndex((id) => id === this.#nextId);
    // Sessions that cannot be read must not keep those behind them from ever being checked.
    if (first > 0) all.push(...all.splice(0, first));
    this.#nextId = undefined;
    for (const id of all) this.#round.add(id);
    void this.#run();
  }

  /** Drops what is due. */
  clear(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#named.clear();
    this.#round.clear();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const failed: string[] = [];
    // A lane ends with its first failure. If all have, the store is unreachable, and each further read would wait for its
    // deadline too.
    const lane = async (): Promise<void> => {
      for (let due = this.#take(); due; due = this.#take()) {
        if (await this.#check(due.id)) continue;
        failed.push(due.id);
        if (due.isNamed) this.#named.add(due.id);
        return;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    this.#isRunning = false;
    [this.#nextId] = this.#round;
    this.#round.clear();
    this.#ended(failed.length);
    if (this.#named.size === 0) return;
    if (failed.length === 0) return void this.#run();
    this.#retry = setTimeout(() => void this.#run(), RETRY).unref();
  }

  #take(): { id: string; isNamed: boolean } | undefined {
    for (const due of [this.#named, this.#round]) {
      for (const id of due) {
        due.delete(id);
        return { id, isNamed: due === this.#named };
      }
    }
    return undefined;
  }
}
