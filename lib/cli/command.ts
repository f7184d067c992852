import type { SessionStore } from '../contract/store.js';
import type { SessionOptions } from '../options/options.js';
import { loadConfig, type Config } from './config.js';
import { UsageError } from './exit.js';
import type { Interruption } from './interruption.js';
import type { Mask } from './mask.js';
import type { Output } from './output.js';
import { storeFlagIn, storeOf, urlOf, type StoreFlags } from './stores.js';

/** The options of every command. */
export interface CommonFlags extends StoreFlags {
  config?: string;
  json?: boolean;
}

/** What a command works with. */
export interface Context {
  store: SessionStore;
  output: Output;
  interruption: Interruption;
}

/** What `doctor` works with: the store is not open, and need not exist. */
export interface Examination extends Omit<Context, 'store'> {
  store: SessionStore | undefined;
  options: SessionOptions | undefined;
}

/** How long closing may take, in milliseconds. */
const PARTING = 3000;

/** Runs a command on the store that its options name, which is open meanwhile. Resolves to the exit code. */
export function onStore(
  flags: CommonFlags,
  surroundings: Surroundings,
  command: (context: Context) => Promise<number>,
): Promise<number> {
  return onConfig(flags, surroundings, async ({ store, output, interruption }) => {
    if (!store) throw new UsageError(`--config ${flags.config}: it exports no store`);
    await interruption.race(Promise.resolve(store.open?.()));
    return command({ store, output, interruption });
  });
}

/** Where a command runs. */
export interface Surroundings {
  output: Output;
  interruption: Interruption;
  mask: Mask;
}

/** Runs a command on what its options name. Closes the store, and what the config has opened. */
export async function onConfig(
  flags: CommonFlags,
  { output, interruption, mask }: Surroundings,
  command: (examination: Examination) => Promise<number>,
): Promise<number> {
  if (flags.json) output.isForPeople = false;
  mask.add(urlOf(flags) ?? '');
  const config = await interruption.race(configOf(flags));
  try {
    return await command({ ...config, output, interruption });
  } finally {
    await parted(async () => config.store?.close?.());
    await parted(() => config.close());
  }
}

async function configOf(flags: CommonFlags): Promise<Config> {
  if (flags.config === undefined) {
    return { store: await storeOf(flags), options: undefined, close: async () => {} };
  }
  const other = storeFlagIn(flags);
  if (other) throw new UsageError(`--config says which store to use: leave out ${other}`);
  return loadConfig(flags.config);
}

/** Waits for a store to close. The command has its result, so a failure to close does not change that. */
async function parted(close: () => Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, PARTING)));
  await Promise.race([close().catch(() => {}), late]);
  clearTimeout(timer);
}
