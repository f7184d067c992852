import type { Client, IMap } from 'hazelcast-client';

type HazelcastClient = Awaited<ReturnType<typeof Client.newHazelcastClient>>;

/** The methods of a map that a spec may disturb. */
export type Disturbed = 'get' | 'put' | 'replace' | 'replaceIfSame' | 'putIfAbsent' | 'setTtl' | 'delete';

/** A client with other implementations of some methods of a map. */
export function disturbed(
  client: HazelcastClient,
  methods: Disturbed[],
  instead: (call: () => Promise<unknown>, mapName: string, method: Disturbed) => Promise<unknown>,
): HazelcastClient {
  const getMap = async (name: string): Promise<unknown> => {
    const map = (await client.getMap(name)) as IMap<string, unknown> & Record<string, unknown>;
    const other = Object.create(map) as Record<string, unknown>;
    for (const method of methods) {
      const original = map[method] as (...args: unknown[]) => Promise<unknown>;
      other[method] = (...args: unknown[]) => instead(() => original.apply(map, args), name, method);
    }
    return other;
  };
  return Object.create(client, { getMap: { value: getMap } }) as HazelcastClient;
}

/** A client that calls a function, with the number of the call, before each call of some methods of a map. */
export function onTheWay(
  client: HazelcastClient,
  methods: Disturbed[],
  first: (count: number) => Promise<void>,
): HazelcastClient {
  let count = 0;
  return disturbed(client, methods, async (call) => {
    await first(++count);
    return call();
  });
}
