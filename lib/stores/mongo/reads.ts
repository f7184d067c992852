/**
 * How many commands run in parallel: enough that a slow one does not block all others, few enough that reads gather.
 */
const AT_ONCE = 4;

/** How many ids a command contains at most. */
const KEYS = 100;

/** The reads of one command. */
interface Turn<T> {
  ids: Set<string>;
  found: Promise<Map<string, T>>;
}

/**
 * Combines reads that wait for the server into one command: a command costs the client and the server much more than
 * one more id in it. Each command is sent after all its reads were called, so they see all earlier writes.
 */
export class MongoReads<T> {
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];
  private gathering: Turn<T> | undefined;

  /** @param mayBeOfOne whether one of the ids may have caused an error of `find`, so that each id is read alone */
  constructor(
    private readonly find: (ids: string[]) => Promise<Map<string, T>>,
    private readonly mayBeOfOne: (error: unknown) => boolean,
  ) {}

  async read(id: string): Promise<T | undefined> {
    if (!this.gathering || this.gathering.ids.size >= KEYS) this.gathering = this.turn();
    const { ids, found } = this.gathering;
    ids.add(id);
    try {
      return (await found).get(id);
    } catch (error) {
      if (ids.size === 1 || !this.mayBeOfOne(error)) throw error;
      return (await this.findInTurn(new Set([id]))).get(id);
    }
  }

  private turn(): Turn<T> {
    const ids = new Set<string>();
    return { ids, found: this.findInTurn(ids) };
  }

  private async findInTurn(ids: Set<string>): Promise<Map<string, T>> {
    await this.place();
    if (this.gathering?.ids === ids) this.gathering = undefined;
    try {
      return await this.find([...ids]);
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.underWay--;
    }
  }

  /** Waits for a free place. A command that ends passes its place to the one that has waited longest. */
  private async place(): Promise<void> {
    if (this.underWay < AT_ONCE) this.underWay++;
    else await new Promise<void>((resolve) => void this.waiting.push(resolve));
  }
}
