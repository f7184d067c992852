import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kept, newFolder } from './kept.mjs';
import { freePort } from './ports.mjs';
import { until } from './until.mjs';

/**
 * What tells one kind of server from another.
 *
 * @typedef {object} Kind
 * @property {import('./programs.mjs').Program} program
 * @property {(at: { port: number, folder: string }) => string[]} args
 * @property {(port: number) => string} url
 * @property {(at: { url: string, folder: string }) => Promise<boolean>} ready whether it answers, and no other that was
 *   quicker to take the port
 * @property {(port: number) => Record<string, string>} [files] what stands in an empty folder, by its name
 */

const READY_WITHIN = 30_000;
const STOPPED_WITHIN = 3_000;
/** SIGKILL takes as long as the machine is busy. */
const KILLED_WITHIN = 30_000;

/** A server of this run's own on loopback, which a spec may stop, kill and freeze. */
export class Server {
  /**
   * Starts one on a free port, in an empty folder, and waits until it answers.
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

  /** Where the program comes from, in words. */
  get origin() {
    return this.#kind.program.origin;
  }

  /** `undefined` while it does not run. For a container it is the pid of `docker run`. */
  get pid() {
    return this.#process?.running ? this.#process.pid : undefined;
  }

  /**
   * Starts it again, on its port and with its data, or without if `empty`.
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
        what: 'it answers',
      });
      if (!this.#process.running) throw new Error('it went');
    } catch (error) {
      await this.kill();
      const said = (await readFile(output, 'utf8')).slice(-2_000);
      throw new Error(`${this.url} did not start: ${error.message}. It said:\n${said}`, { cause: error });
    }
  }

  /** Asks it to end, and ends it if it does not. */
  async stop() {
    await this.#signal('SIGTERM');
    await this.#left(STOPPED_WITHIN);
    await this.kill();
  }

  /** Ends it as a crash does. */
  async kill() {
    await this.#signal('SIGKILL');
    await this.#left(KILLED_WITHIN);
  }

  /** Waits until it has gone, up to `within`. The timer keeps this process up, which may have nothing else to do. */
  async #left(within) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, within);
    });
    await Promise.race([this.#process?.gone, late]);
    clearTimeout(timer);
  }

  /** Lets it do nothing: its connections stay, and no call is answered. */
  async freeze() {
    await this.#signal('SIGSTOP');
  }

  /** Lets it go on where it was frozen. */
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
