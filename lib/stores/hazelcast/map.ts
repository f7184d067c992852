import { HazelcastJsonValue, type Aggregators, type IMap, type Predicates } from 'hazelcast-client';

/** A map of JSON texts, whose writes say how long an entry stays, in milliseconds; 0 is for ever. */
export class JsonMap {
  constructor(private readonly map: IMap<string, unknown>) {}

  get name(): string {
    return this.map.getName();
  }

  async get(key: string): Promise<string | undefined> {
    return textOf(await this.map.get(key));
  }

  async getAll(keys: string[]): Promise<[key: string, text: string | undefined][]> {
    return (await this.map.getAll(keys)).map(([key, value]) => [key, textOf(value)]);
  }

  /** Adds an entry; resolves to the text that was there before it and stays, if any. */
  async add(key: string, text: string, ttl: number): Promise<string | undefined> {
    return textOf(await this.map.putIfAbsent(key, new HazelcastJsonValue(text), ttl));
  }

  /** Replaces the text `from`, and no other; resolves to whether it was there. */
  async replace(key: string, from: string, to: string, ttl: number): Promise<boolean> {
    // A replace gives the entry the lifetime that the map has by default. What follows at once, to the same partition,
    // is done right after.
    const replaced = this.map.replaceIfSame(key, new HazelcastJsonValue(from), new HazelcastJsonValue(to));
    const both = [replaced, this.setTtl(key, ttl)] as const;
    // Who mends the lifetime after a failure must come behind what is set here.
    await Promise.allSettled(both);
    const [isReplaced] = await Promise.all(both);
    return isReplaced;
  }

  async setTtl(key: string, ttl: number): Promise<void> {
    await this.map.setTtl(key, ttl);
  }

  /** Removes the text `from`, and no other; resolves to whether it was there. */
  async removeSame(key: string, from: string): Promise<boolean> {
    return this.map.remove(key, new HazelcastJsonValue(from)) as unknown as Promise<boolean>;
  }

  /** Removes an entry; resolves to its text. */
  async remove(key: string): Promise<string | undefined> {
    return textOf(await this.map.remove(key));
  }

  async delete(key: string): Promise<void> {
    await this.map.delete(key);
  }

  async keys(predicate: Predicate): Promise<string[]> {
    return [...(await this.map.keySetWithPredicate(predicate))];
  }

  async count(counting: Aggregator, predicate: Predicate): Promise<number> {
    return Number(await this.map.aggregateWithPredicate(counting, predicate));
  }

  /** How many entries there are, the dead among them. */
  async size(): Promise<number> {
    return this.map.size();
  }

  async addIndex(type: 'HASH' | 'SORTED', ...attributes: string[]): Promise<void> {
    await this.map.addIndex({ type, attributes });
  }
}

export type Predicate = ReturnType<typeof Predicates.and>;
type Aggregator = ReturnType<typeof Aggregators.count>;

/** A client may parse what it reads, and gives what it parsed; written down again, it is what we wrote. */
function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return value instanceof HazelcastJsonValue ? value.toString() : JSON.stringify(value);
}
