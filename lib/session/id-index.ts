/** Things by the ids of sessions; and those without one. */
export class IdIndex<T extends object> {
  readonly #byId = new Map<string, Set<T>>();
  /** The ids of each. */
  readonly #idsOf = new Map<T, readonly string[]>();

  get size(): number {
    return this.#idsOf.size;
  }

  /** Puts a thing under these ids, and under no others. */
  place(thing: T, ids: readonly string[]): void {
    this.#take(thing);
    this.#idsOf.set(thing, ids);
    for (const id of ids) {
      const others = this.#byId.get(id);
      if (others) others.add(thing);
      else this.#byId.set(id, new Set([thing]));
    }
  }

  /** Removes a thing. Returns whether it was there. */
  remove(thing: T): boolean {
    this.#take(thing);
    return this.#idsOf.delete(thing);
  }

  has(thing: T): boolean {
    return this.#idsOf.has(thing);
  }

  /** The things under an id, as a list of its own. */
  of(id: string): T[] {
    return [...(this.#byId.get(id) ?? [])];
  }

  /** All ids under which there is something. */
  ids(): Iterable<string> {
    return this.#byId.keys();
  }

  all(): Iterable<T> {
    return this.#idsOf.keys();
  }

  #take(thing: T): void {
    for (const id of this.#idsOf.get(thing) ?? []) {
      const others = this.#byId.get(id)!;
      others.delete(thing);
      if (others.size === 0) this.#byId.delete(id);
    }
  }
}
