/** How many sessions are read in parallel: thousands may be due at once. */
const AT_ONCE = 64;

/** How long after a failure the sessions that were named are checked again, in milliseconds. */
const RETRY = 1000;

/** A session to check, because it was named or belongs to a round. */
interface Due {
  id: string;
  isNamed: boolean;
}

/**
 * The sessions that must be checked, each once however often it is named, some in parallel. A session that is named while
 * it is checked is checked again. Those that were named come before those of a round.
 */
export class SessionChecks {
  readonly #check: (id: string) => Promise<boolean>;
  readonly #ended: (failures: number) => void;
  readonly #named = new Set<string>();
  readonly #round = new Set<string>();
  /** How many lanes check one session after the other. */
  #lanes = 0;
  /** The sessions that could not be read since the first of these lanes began. Each has ended its lane. */
  #failed: Due[] = [];
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
    if (!this.#retry) this.#begin();
  }

  /** Checks many, once. Does nothing while checks run: a slow store must not get more on top. */
  begin(ids: Iterable<string>): void {
    if (this.#lanes > 0) return;
    const all = [...ids];
    const first = all.findIndex((id) => id === this.#nextId);
    // Sessions that cannot be read must not keep those behind them from ever being checked.
    if (first > 0) all.push(...all.splice(0, first));
    this.#nextId = undefined;
    for (const id of all) this.#round.add(id);
    this.#begin();
  }

  /** Drops what is due. */
  clear(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#named.clear();
    this.#round.clear();
    this.#failed = [];
  }

  /** Begins a lane for each session that is due, as far as there may be more. */
  #begin(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    // If all lanes have failed, the store is unreachable, and each further read would wait for its deadline too.
    while (this.#lanes + this.#failed.length < AT_ONCE) {
      const due = this.#take();
      if (!due) return;
      void this.#lane(due);
    }
  }

  async #lane(first: Due): Promise<void> {
    this.#lanes++;
    for (let due: Due | undefined = first; due; due = this.#take()) {
      if (await this.#check(due.id)) continue;
      this.#failed.push(due);
      break;
    }
    if (--this.#lanes === 0) this.#end();
  }

  #end(): void {
    const failed = this.#failed;
    this.#failed = [];
    [this.#nextId] = this.#round;
    this.#round.clear();
    this.#ended(failed.length);
    for (const { id, isNamed } of failed) if (isNamed) this.#named.add(id);
    if (this.#named.size > 0) this.#retry = setTimeout(() => this.#begin(), RETRY).unref();
  }

  #take(): Due | undefined {
    for (const due of [this.#named, this.#round]) {
      for (const id of due) {
        due.delete(id);
        return { id, isNamed: due === this.#named };
      }
    }
    return undefined;
  }
}
