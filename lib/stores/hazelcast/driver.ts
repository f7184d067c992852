import { loadDriver } from '../shared/driver.js';

type Driver = typeof import('hazelcast-client');

let loaded: Driver | undefined;

/** Loads hazelcast-client. */
export async function load(): Promise<Driver> {
  loaded ??= await loadDriver('hazelcast', 'hazelcast-client', () => import('hazelcast-client'));
  return loaded;
}

/** hazelcast-client, which every store loads before it opens. */
export function driver(): Driver {
  return loaded!;
}
