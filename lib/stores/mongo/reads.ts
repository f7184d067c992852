/** How many commands may be under way: enough that a slow answer does not hold all up, few enough that reads gather. */
const AT_ONCE = 4;

/** How many ids a command names at most. */
const KEYS = 100;

/** What is read by one command. */
interface Turn<T> {
  ids: Set<string>;
  found: Promise<Map<string, T>>;
}

/**
 * Reads that would wait for the server together go together: a command costs the client and the server much more than
 * one more id in it. Each command is sent after all its reads were asked for, so they see what was written before.
 */
export class MongoReads<T> {
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];
  private gathering: Turn<T> | undefined;

  /** `mayBeOfOne` tells whether what `find` threw may be due to one of its ids, so that the others can be found. */
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

  /** Who ends hands its place to the one that waits longest. */
  private async place(): Promise<void> {
    if (this.underWay < AT_ONCE) this.underWay++;
    else await new Promise<void>((resolve) => void this.waiting.push(resolve));
  }
}
