import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Packs the package into a folder and returns the tarball's path. Builds first, unless the build is there.
 * @param {string} folder
 * @param {{ isBuilt?: boolean }} options
 */
export async function pack(folder, { isBuilt = false } = {}) {
  const args = ['pack', '--pack-destination', folder, '--loglevel', 'error'];
  await promisify(execFile)('npm', isBuilt ? [...args, '--ignore-scripts'] : args, { cwd: root });
  const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return join(folder, `${name}-${version}.tgz`);
}
