import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kept, newFolder } from './kept.mjs';
import { freePort } from './ports.mjs';
import { until } from './until.mjs';

/**
 * What is specific to a kind of server.
 *
 * @typedef {object} Kind
 * @property {import('./programs.mjs').Program} program
 * @property {(at: { port: number, folder: string }) => string[]} args
 * @property {(port: number) => string} url
 * @property {(at: { url: string, folder: string }) => Promise<boolean>} ready whether it responds, and not another one
 *   that took the port first
 * @property {(port: number) => Record<string, string>} [files] the files in an empty folder, by name
 */

const READY_WITHIN = 30_000;
const STOPPED_WITHIN = 3_000;
/** Long, because SIGKILL takes time on a busy machine. */
const KILLED_WITHIN = 30_000;

/** A server on loopback that belongs to this run, which a spec may stop, kill and freeze. */
export class Server {
  /**
   * Starts one on a free port, in an empty folder, and waits until it is ready.
   *
   * @param {Kind} kind
   * @returns {Promise<Server>}
   */
  static async start(kind) {
    const folder = await newFolder();
    for (let attempt = 1; ; attempt++) {
      const server = new Server(kind, await freePort(), folder);
      try {
        await server.start({ empty: true });
        return server;
      } catch (error) {
        if (attempt === 5 || !/already in use/i.test(error.message)) throw error;
      }
    }
  }

  host = '127.0.0.1';
  #kind;
  #folder;
  /** @type {Kept | undefined} */
  #process;

  /**
   * @param {Kind} kind
   * @param {number} port
   * @param {string} folder
   */
  constructor(kind, port, folder) {
    this.#kind = kind;
    this.#folder = folder;
    this.port = port;
    this.url = kind.url(port);
  }

  /** A description of where the program comes from. */
  get origin() {
    return this.#kind.program.origin;
  }

  /** `undefined` while it does not run. For a container, the pid of `docker run`. */
  get pid() {
    return this.#process?.running ? this.#process.pid : undefined;
  }

  /**
   * Starts it again on its port, with its data, or without if `empty`.
   *
   * @param {{ empty?: boolean }} [options]
   */
  async start({ empty = false } = {}) {
    if (this.#process?.running) throw new Error(`${this.url} runs already`);
    const at = { url: this.url, port: this.port, folder: join(this.#folder, 'data') };
    if (empty) await rm(at.folder, { recursive: true, force: true });
    if (!existsSync(at.folder)) await this.#furnish(at.folder);
    const output = join(this.#folder, 'output');
    await writeFile(output, '');
    const { program, args } = this.#kind;
    this.#process = await Kept.start(program.launch(args(at), at.folder), output);
    try {
      await until(() => !this.#process.running || this.#kind.ready(at), {
        within: READY_WITHIN,
        what: 'it is ready',
      });
      if (!this.#process.running) throw new Error('it exited');
    } catch (error) {
      await this.kill();
      const printed = (await readFile(output, 'utf8')).slice(-2_000);
      throw new Error(`${this.url} did not start: ${error.message}. Its output:\n${printed}`, {
        cause: error,
      });
    }
  }

  /** Sends SIGTERM, and kills it if it does not exit in time. */
  async stop() {
    await this.#signal('SIGTERM');
    await this.#left(STOPPED_WITHIN);
    await this.kill();
  }

  /** Kills it, as in a crash. */
  async kill() {
    await this.#signal('SIGKILL');
    await this.#left(KILLED_WITHIN);
  }

  /** Waits until it has exited, at most `within` milliseconds. The timer keeps this process alive. */
  async #left(within) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, within);
    });
    await Promise.race([this.#process?.gone, late]);
    clearTimeout(timer);
  }

  /** Suspends it: its connections stay open, and no call gets a response. */
  async freeze() {
    await this.#signal('SIGSTOP');
  }

  /** Resumes it. */
  async thaw() {
    await this.#signal('SIGCONT');
  }

  async #signal(signal) {
    if (this.#process?.running) await this.#process.signal(signal);
  }

  async #furnish(folder) {
    await mkdir(folder);
    const files = this.#kind.files?.(this.port) ?? {};
    await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(folder, name), content)));
  }
}
