// The requests of a process that needs servers to its keeper.
import { fork } from 'node:child_process';
import { join } from 'node:path';

/**
 * How a program is started.
 *
 * @typedef {object} Launch
 * @property {string} command
 * @property {string[]} args
 * @property {Record<string, string>} [env]
 * @property {Partial<Record<NodeJS.Signals, string[]>>} [signals] commands to run instead of sending these signals
 */

/** @type {import('node:child_process').ChildProcess | undefined} */
let keeper;
let requests = 0;
let programs = 0;
const waiting = new Map();
/** Callbacks for when a program has exited. */
const leaving = new Map();

/**
 * Creates a folder that is removed when this process has exited.
 *
 * @returns {Promise<string>}
 */
export const newFolder = () => ask('folder');

/** A running program, which does not outlive this process. */
export class Kept {
  /**
   * @param {Launch} launch
   * @param {string} output the file to which its output is appended
   */
  static async start(launch, output) {
    const kept = new Kept();
    kept.pid = await ask('start', { id: kept.#id, launch, output });
    return kept;
  }

  #id = ++programs;
  /** @type {number | undefined} */
  pid;
  running = true;

  /** Resolves when it has exited for any reason. @type {Promise<void>} */
  gone = new Promise((resolve) => {
    leaving.set(this.#id, () => {
      this.running = false;
      resolve();
    });
  });

  /** @param {NodeJS.Signals} signal */
  async signal(signal) {
    await ask('signal', { id: this.#id, signal });
  }
}

function ask(what, about = {}) {
  keeper ??= startKeeper();
  const request = ++requests;
  return new Promise((resolve, reject) => {
    waiting.set(request, { resolve, reject });
    keeper.channel.ref();
    keeper.send({ request, ask: what, ...about });
  });
}

function startKeeper() {
  // In a separate process group, so that Ctrl-C stops the specs first and they can still close what they opened.
  const started = fork(join(import.meta.dirname, 'keeper.mjs'), {
    detached: true,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  started.unref();
  started.on('message', ({ request, value, error, gone }) => {
    if (gone !== undefined) {
      leaving.get(gone)();
      leaving.delete(gone);
      return;
    }
    const { resolve, reject } = waiting.get(request);
    waiting.delete(request);
    if (waiting.size === 0) started.channel?.unref();
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  });
  started.once('exit', (code, signal) => {
    keeper = undefined;
    for (const { reject } of waiting.values())
      reject(new Error(`the servers' keeper exited: ${signal ?? code}`));
    waiting.clear();
  });
  return started;
}
