import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

type Package = typeof import('nestjs-session-stores/stores/cluster');

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A copy of the built package, as if two packages in the dependency tree had installed it. */
export async function copyOfPackage() {
  const folder = await mkdtemp(join(tmpdir(), 'session-copy-'));
  for (const part of ['dist', 'lib', 'package.json'])
    await cp(join(root, part), join(folder, part), { recursive: true });
  const url = pathToFileURL(join(folder, 'dist/lib/stores/cluster/index.js')).href;
  return {
    url,
    load: () => import(/* @vite-ignore */ url) as Promise<Package>,
    remove: () => rm(folder, { recursive: true }),
  };
}
