import type { Aggregators, HazelcastJsonValue, IMap, MapListener, Predicates } from 'hazelcast-client';
import { driver } from './driver.js';

/** A map of JSON texts. `ttl` is how long an entry lives, in milliseconds; 0 means forever. */
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

  /** Adds an entry if there is none. Resolves to the text of the existing one, if any. */
  async add(key: string, text: string, ttl: number): Promise<string | undefined> {
    return textOf(await this.map.putIfAbsent(key, json(text), ttl));
  }

  /** Writes an entry, whatever it was before. */
  async set(key: string, text: string, ttl: number): Promise<void> {
    await this.map.set(key, json(text), ttl);
  }

  /** Replaces an entry if its text is `from`. Resolves to whether it was. */
  async replace(key: string, from: string, to: string, ttl: number): Promise<boolean> {
    const [isReplaced] = await this.thenSetTtl(key, this.map.replaceIfSame(key, json(from), json(to)), ttl);
    return isReplaced;
  }

  /**
   * Replaces an entry, whatever it is, but adds none. Resolves to its text, if there was one, and to whether there is an
   * entry now.
   */
  async replaceAny(
    key: string,
    to: string,
    ttl: number,
  ): Promise<{ text: string | undefined; isThere: boolean }> {
    const [value, isThere] = await this.thenSetTtl(key, this.map.replace(key, json(to)), ttl);
    return { text: textOf(value), isThere };
  }

  /** Writes an entry, whatever it was before. Resolves to its text, if there was one. */
  async put(key: string, text: string, ttl: number): Promise<string | undefined> {
    return textOf(await this.map.put(key, json(text), ttl));
  }

  /** Resolves to whether there is an entry. */
  async setTtl(key: string, ttl: number): Promise<boolean> {
    return this.map.setTtl(key, ttl);
  }

  /**
   * The time of the member that holds an entry with this key, in whole seconds of epoch milliseconds. Adds the entry,
   * which lives for a second. `undefined` if members do not say.
   */
  async timeOf(key: string): Promise<number | undefined> {
    // Long enough for the next call, however busy this process is.
    await this.map.set(key, json('0'), 10_000);
    const view = (await this.map.getEntryView(key)) as { lastUpdateTime: { toNumber(): number } } | null;
    const time = view?.lastUpdateTime.toNumber() ?? -1;
    return time > 0 ? time : undefined;
  }

  /**
   * The lifetimes that the map gives an entry without its own, in milliseconds; `Infinity` for none. Adds such an entry,
   * which stays until it is deleted.
   */
  async defaultLifetimes(key: string): Promise<{ ttl: number; idle: number }> {
    await this.map.set(key, json('{}'));
    const { ttl, maxIdle } = Object(await this.map.getEntryView(key)) as Record<string, Duration>;
    return { ttl: lifetimeIn(ttl), idle: lifetimeIn(maxIdle) };
  }

  /** Removes an entry if its text is `from`. Resolves to whether it was. */
  async removeSame(key: string, from: string): Promise<boolean> {
    return this.map.remove(key, json(from)) as unknown as Promise<boolean>;
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

  /** How many entries there are, expired sessions included. */
  async size(): Promise<number> {
    return this.map.size();
  }

  async addIndex(type: 'HASH' | 'SORTED', ...attributes: string[]): Promise<void> {
    await this.map.addIndex({ type, attributes });
  }

  /** Listens to the keys of all entries. Resolves to the id of the listener. */
  async listen(listener: MapListener<string, unknown>): Promise<string> {
    return this.map.addEntryListener(listener);
  }

  /** Listens to the entries that match a predicate, with their values. Resolves to the id of the listener. */
  async listenTo(predicate: Predicate, listener: MapListener<string, unknown>): Promise<string> {
    return this.map.addEntryListenerWithPredicate(listener, predicate, undefined, true);
  }

  async unlisten(id: string): Promise<void> {
    await this.map.removeEntryListener(id);
  }

  /**
   * Sets the lifetime of an entry right after a replace, which has given it the default lifetime of the map: a call that
   * follows at once, to the same partition, runs right after it.
   */
  private async thenSetTtl<T>(
    key: string,
    replacing: Promise<T>,
    ttl: number,
  ): Promise<[replaced: T, isThere: boolean]> {
    const both = [replacing, this.setTtl(key, ttl)] as const;
    // After a failure, the lifetime is set again. That must happen after this one is set.
    await Promise.allSettled(both);
    return Promise.all(both);
  }
}

export type Predicate = ReturnType<typeof Predicates.and>;
type Aggregator = ReturnType<typeof Aggregators.count>;

/** The client's `Long`; `undefined` if the member does not say. */
type Duration = { toNumber(): number } | undefined;

/** Above it, a duration means no limit: members count lifetimes in 32 bits of seconds. */
const NO_LIMIT = (2 ** 31 - 1) * 1000;

function lifetimeIn(duration: Duration): number {
  const milliseconds = duration?.toNumber() ?? 0;
  return milliseconds > 0 && milliseconds < NO_LIMIT ? milliseconds : Infinity;
}

/** The text of a value. A client may return it parsed; serialized again, it is the text that was written. */
export function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return value instanceof driver().HazelcastJsonValue ? value.toString() : JSON.stringify(value);
}

function json(text: string): HazelcastJsonValue {
  return new (driver().HazelcastJsonValue)(text);
}
