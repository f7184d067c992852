import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pack } from '../tools/pack.mjs';
import { TSCONFIG, serve } from './packages/cases/nest12.mjs';
import { Project } from './packages/project.mjs';

// The quickest case of `npm run test:packages`.

const root = join(import.meta.dirname, '..');

let app: Project;
beforeAll(async () => {
  app = await Project.create();
  // The global setup has built the package. A second build would remove it under other specs.
  const tarball = await pack(app.folder, { isBuilt: true });
  await app.write({
    'package.json': { name: 'app', private: true, type: 'module' },
    'tsconfig.json': { ...TSCONFIG, compilerOptions: { ...TSCONFIG.compilerOptions, types: ['node'] } },
  });
  for (const file of ['app.module.ts', 'main.ts']) await app.copy(`nest/${file}`, `src/${file}`);
  const nest = ['common', 'core', 'platform-express'].map((one) => `@nestjs/${one}@^12`);
  await app.install(...nest, '@types/node@^24', 'reflect-metadata@^0.2', 'rxjs@^7.8', tarball);
}, 120_000);
afterAll(() => app.remove());

it('an app of Nest 12 compiles with the packed package, logs in and logs out', async () => {
  await app.runNode(join(root, 'node_modules/typescript/bin/tsc'), '-p', '.');
  await serve(app);
}, 120_000);

it('the packed package has a command line, which npx runs', async () => {
  await app.write({
    'sessions.mjs': `import { ClusterStore } from 'nestjs-session-stores/stores/cluster'; export default new ClusterStore();`,
  });
  const npx = (...args: string[]) => app.run('npx', ['--no-install', 'nestjs-session-stores', ...args]);
  await expect(npx('count', '--config', 'sessions.mjs')).resolves.toEqual({ stdout: '0\n', stderr: '' });
  await expect(npx('count', '--store', 'redis', '--url', 'redis://localhost')).rejects.toThrow(
    'error: [session:redis] open: the package ioredis is not installed. Run npm install ioredis',
  );
}, 60_000);

it('the packed package has no specs, and every file that its maps name', () => {
  const folder = join(app.folder, 'node_modules/nestjs-session-stores');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => !file.startsWith('node_modules'),
  );
  const maps = files.filter((file) => file.endsWith('.map'));
  expect(
    files.filter((file) => /\.spec\.|^(test|bench|sample-app|tools)\b|^dist\/(?!lib\b)./.test(file)),
  ).toEqual([]);
  expect(maps.length).toBeGreaterThan(0);
  const named = maps.flatMap((map) => {
    const { sources } = JSON.parse(readFileSync(join(folder, map), 'utf8')) as { sources: string[] };
    return sources.map((source) => join(dirname(map), source));
  });
  expect(named.filter((source) => !files.includes(source))).toEqual([]);
});
