import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Deadlines } from '../contract/deadline.js';
import { isSessionStore } from '../contract/shapes.js';
import type { SessionStore } from '../contract/store.js';
import { checkStore } from '../options/check-store.js';
import { withDecorators } from '../options/decorated-store.js';
import type { SessionOptions } from '../options/options.js';
import { UsageError } from './exit.js';

/** What a config exports. */
export interface Config {
  /** With the encryption and the migration of `options`. `undefined` if it exports `options` without a store. */
  store: SessionStore | undefined;
  options: SessionOptions | undefined;
  /** Closes what the config has opened itself. */
  close(): Promise<void>;
}

/** How long a config may take to load, and each of its functions, in milliseconds. */
const PATIENCE = 10_000;

const deadlines = new Deadlines(PATIENCE);

/** Loads the module of `--config`. Throws a `UsageError` if there is none, or if it does not export a store. */
export async function loadConfig(file: string): Promise<Config> {
  const path = resolve(file);
  if (!existsSync(path)) throw new UsageError(`--config ${file}: there is no such file`);
  const names = await imported(file, path);
  const close = async (): Promise<void> => {
    if (typeof names['close'] === 'function') await called(file, 'close', names['close']);
  };
  try {
    const options = checkedOptions(file, await called(file, 'options', names['options']));
    const exported = names['store'] ?? names['default'];
    const given = (await called(file, 'the store', exported)) ?? options?.store;
    if (given === undefined && options === undefined) throw new UsageError(`--config ${file}: ${NO_STORE}`);
    return { store: given === undefined ? undefined : storeIn(file, given, options), options, close };
  } catch (error) {
    // Of both errors, the first says what is wrong.
    await close().catch(() => {});
    throw error;
  }
}

const NO_STORE =
  'it exports no store. Write export default new RedisStore({ url }), or a function that returns a store';

function storeIn(file: string, given: unknown, options: SessionOptions | undefined): SessionStore {
  try {
    // A command must not move the sessions that it reads.
    const migrateFrom = options?.migrateFrom && { ...options.migrateFrom, move: false };
    // Not the cache of the options: a command reads the store itself.
    return withDecorators(checkStore(given), { ...options, migrateFrom, cache: undefined }, console);
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(`--config ${file}: ${error.message}`) : error;
  }
}

function checkedOptions(file: string, options: unknown): SessionOptions | undefined {
  if (options === undefined || (typeof options === 'object' && options !== null))
    return options as SessionOptions | undefined;
  throw new UsageError(`--config ${file}: options must be an object, those of SessionModule.forRoot`);
}

/** The exports of a module, by name; for CommonJS those of `module.exports`. */
async function imported(file: string, path: string): Promise<Record<string, unknown>> {
  let names: Record<string, unknown>;
  try {
    names = await deadlines.run(
      async () => ({ ...((await import(pathToFileURL(path).href)) as Record<string, unknown>) }),
      // Such as of a top-level await that never settles.
      () => new Error(`it did not load within ${PATIENCE} ms`),
    );
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException | undefined)?.code;
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new UsageError(
        `--config ${file}: this Node cannot load such a file. Write it in JavaScript, as .mjs or .cjs`,
      );
    }
    throw new Error(`--config ${file} cannot be loaded${placeOf(cause)}`, { cause });
  }
  const whole = names['default'];
  const isObject = typeof whole === 'object' && whole !== null;
  // A store is an instance of a class.
  const isModule = isObject && Object.getPrototypeOf(whole) === Object.prototype && !isSessionStore(whole);
  return isModule ? { ...names, default: undefined, ...whole } : names;
}

/** A value of the config, or what its function returns. Either may be a promise. */
async function called(file: string, what: string, value: unknown): Promise<unknown> {
  const isFunction = typeof value === 'function';
  try {
    return await deadlines.run(
      async () => (isFunction ? (value as () => unknown)() : value),
      () => new Error(`it did not ${isFunction ? 'return' : 'settle'} within ${PATIENCE} ms`),
    );
  } catch (cause) {
    const failed = `the ${isFunction ? 'function' : 'promise'} of ${what} failed`;
    throw new Error(`--config ${file}: ${failed}${placeOf(cause)}`, { cause });
  }
}

/** Where in the app's files an error comes from. */
export function placeOf(error: unknown): string {
  // The stack of a module with a wrong import starts with the place.
  const frames = String((error as Error | undefined)?.stack).matchAll(/(?:^|\(|at )(file:[^\s)]+)/g);
  for (const [, place] of frames)
    if (!place!.startsWith(LIB) && !place!.includes('/node_modules/')) return `, at ${place}`;
  return '';
}

const LIB = new URL('..', import.meta.url).href;
