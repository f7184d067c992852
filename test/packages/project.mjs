import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const exec = promisify(execFile);

const QUIET = ['--no-audit', '--no-fund', '--loglevel', 'error'];

/** Where the sources of the apps are. */
const APPS = fileURLToPath(new URL('apps', import.meta.url));

/** A temporary folder with an app in it. */
export class Project {
  /** The Node that the app's programs run on. */
  node = process.execPath;

  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
  }

  static async create() {
    return new Project(await mkdtemp(join(tmpdir(), 'session-package-')));
  }

  /** Writes files, JSON if the content is an object. @param {Record<string, string | object>} files */
  async write(files) {
    for (const [file, content] of Object.entries(files)) {
      const path = join(this.folder, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
    }
  }

  /** Copies a file of `apps/`. @param {string} source @param {string} target @param {(text: string) => string} change */
  async copy(source, target, change = (text) => text) {
    await this.write({ [target]: change(await readFile(join(APPS, source), 'utf8')) });
  }

  /** Installs packages, and removes those no longer listed. @param {string[]} packages */
  async install(...packages) {
    // Without scripts, because nothing that these apps need has one.
    await this.run('npm', ['install', '--prefer-offline', '--ignore-scripts', ...QUIET, ...packages]);
  }

  /** Runs a program of the app with its Node: `vitest`, say. @param {string} file @param {string[]} args */
  runNode(file, ...args) {
    return this.run(this.node, [file, ...args]);
  }

  /** Returns what a program prints. Throws with that if it fails. @param {string} program @param {string[]} args */
  async run(program, args) {
    try {
      const { stdout, stderr } = await exec(program, args, { cwd: this.folder, env: ENVIRONMENT });
      return { stdout, stderr };
    } catch (error) {
      throw new Error(`${program} ${args.join(' ')} failed:\n${error.stdout}${error.stderr}`, {
        cause: error,
      });
    }
  }

  /** The version of an installed package. @param {string} name */
  async version(name) {
    const manifest = await readFile(join(this.folder, 'node_modules', name, 'package.json'), 'utf8');
    return JSON.parse(manifest).version;
  }

  /** @param {string} file */
  has(file) {
    return existsSync(join(this.folder, file));
  }

  /**
   * Starts an app, which prints its port, and stops it when `use` has ended.
   * @param {string[]} args @param {(url: string) => Promise<void>} use
   */
  async serve(args, use) {
    const app = spawn(this.node, args, {
      cwd: this.folder,
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = new Promise((resolve) => app.once('exit', resolve));
    let stderr = '';
    app.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    try {
      await use(`http://127.0.0.1:${await portOf(app)}`);
    } catch (error) {
      throw new Error(`${error.message}\n${stderr}`, { cause: error });
    } finally {
      app.kill();
      await exited;
    }
  }

  remove() {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** The environment without what npm and Vitest set for their own programs. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(lifecycle|package|command|execpath|node_execpath)|vite|node_env|node_options|init_cwd)/i.test(
        name,
      ),
  ),
);

/** @param {import('node:child_process').ChildProcess} app */
async function portOf(app) {
  for await (const line of createInterface(app.stdout)) {
    const port = /^port (\d+)$/.exec(line)?.[1];
    if (port) {
      app.stdout.resume();
      return port;
    }
  }
  throw new Error('The app ended before it printed its port');
}
