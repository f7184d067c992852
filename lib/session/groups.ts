/** The groups that a save joins and leaves. */
export interface GroupChange {
  join?: string[];
  leave?: string[];
}

/** The groups of one session: those that are stored, and what the request joins and leaves. */
export class SessionGroups {
  #stored: readonly string[] = [];
  #joins: Set<string> | undefined;
  #leaves: Set<string> | undefined;
  /** Groups that the session was already in when the request joined them. */
  #rejoins: Set<string> | undefined;
  /** The rejoins of the session that this one replaces. */
  #wanted: ReadonlySet<string> | undefined;

  /** Makes the groups of a stored record the base of later changes. */
  load(groups: readonly string[]): void {
    this.#stored = groups;
    this.#joins = undefined;
    this.#leaves = undefined;
  }

  /** The groups that the session was in when it was loaded or last saved. */
  get stored(): readonly string[] {
    return this.#stored;
  }

  join(group: string): void {
    this.#leaves?.delete(group);
    if (this.#stored.includes(group)) (this.#rejoins ??= new Set()).add(group);
    else (this.#joins ??= new Set()).add(group);
  }

  leave(group: string): void {
    this.#joins?.delete(group);
    this.#rejoins?.delete(group);
    if (this.#stored.includes(group)) (this.#leaves ??= new Set()).add(group);
  }

  /** Drops an unsaved join or leave of a group. */
  forget(group: string): void {
    this.#joins?.delete(group);
    this.#leaves?.delete(group);
  }

  /** Records that the session has joined a group in the store. */
  joined(group: string): void {
    this.#stored = [...new Set([...this.#stored, group])];
    this.join(group);
  }

  /** Whether the request joins a group that the session is not in yet. */
  joins(group: string): boolean {
    return this.#joins?.has(group) === true;
  }

  /** Takes over the unsaved joins of the session that this one replaces. */
  takeOver(old: SessionGroups): void {
    for (const group of old.#joins ?? []) this.join(group);
    this.#wanted = old.#rejoins;
  }

  /** Whether the request joined a group that the replaced session was already in, and this session is not in it. */
  get missesOne(): boolean {
    if (!this.#wanted) return false;
    const names = this.names();
    return [...this.#wanted].some((group) => !names.includes(group));
  }

  /** The groups that the session is in after the next save. */
  names(): string[] {
    return [...this.#stored.filter((group) => !this.#leaves?.has(group)), ...(this.#joins ?? [])];
  }

  /** The groups joined and left since the last save; `undefined` if there are none. */
  change(): GroupChange | undefined {
    if (!this.#joins?.size && !this.#leaves?.size) return undefined;
    const change: GroupChange = {};
    if (this.#joins?.size) change.join = [...this.#joins];
    if (this.#leaves?.size) change.leave = [...this.#leaves];
    return change;
  }

  /** Records that a change was stored. Later joins and leaves are kept for the next save. */
  saved({ join = [], leave = [] }: GroupChange): void {
    const wanted = this.names();
    this.#stored = [...new Set([...this.#stored, ...join])].filter((group) => !leave.includes(group));
    this.#joins = undefined;
    this.#leaves = undefined;
    for (const group of wanted) this.join(group);
    for (const group of this.#stored) if (!wanted.includes(group)) this.leave(group);
    this.#rejoins = undefined;
  }
}
