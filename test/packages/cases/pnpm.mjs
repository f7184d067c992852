import { realpath } from 'node:fs/promises';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import * as nest11 from './nest11.mjs';
import * as nest12 from './nest12.mjs';
import { nodes } from '../nodes.mjs';
import { visit } from '../visit.mjs';

/** Folders of the suite's project: pnpm itself, and an app for each module system. */
const PNPM = 'node_modules/.bin/pnpm';

/** Runs the steps of a case in a folder of the project. */
async function inFolder(project, folder, run) {
  const { folder: before } = project;
  project.folder = join(before, folder);
  try {
    return await run();
  } finally {
    project.folder = before;
  }
}

/** Installs by pnpm in the current folder of a project that has pnpm in the folder above. */
async function add(project, ...packages) {
  await project.run(join(project.folder, '..', PNPM), [
    'add',
    '--ignore-scripts',
    '--store-dir',
    '../store',
    ...packages,
  ]);
  // A flat node_modules would prove nothing.
  const place = await realpath(join(project.folder, 'node_modules/nestjs-session-stores'));
  assert.match(place, /node_modules\/\.pnpm\/nestjs-session-stores@/);
}

export const pnpm = {
  name: 'pnpm',
  async setup(project, tarball) {
    await project.write({ 'package.json': { name: 'tools', private: true } });
    await project.install('pnpm');
    await inFolder(project, 'esm', async () => {
      await nest12.writeApp(project);
      await add(project, ...nest12.PACKAGES, tarball);
    });
    await inFolder(project, 'commonjs', async () => {
      // The path of the real file: node_modules/.pnpm/nestjs-session-stores@…/node_modules/nestjs-session-stores/.
      await nest11.writeApp(
        project,
        '/node_modules/(?!\\.pnpm/nestjs-session-stores@|nestjs-session-stores/)',
      );
      await add(project, ...nest11.PACKAGES, tarball);
    });
    return `pnpm ${await project.version('pnpm')}`;
  },
  cases: [
    {
      name: 'Nest 12, ESM, compiles and serves',
      run: (project) =>
        inFolder(project, 'esm', async () => {
          await nest12.compile(project);
          await nest12.serve(project);
        }),
    },
    {
      name: 'Nest 12, ESM, runs its specs in Vitest',
      run: (project) => inFolder(project, 'esm', () => nest12.runVitest(project)),
    },
    {
      name: 'Nest 11.0, module commonjs, compiles and serves',
      run: (project) =>
        inFolder(project, 'commonjs', async () => {
          await nest12.compile(project);
          await project.serve(['dist/main.js'], visit);
        }),
    },
    ...nodes.each('Nest 11.0, runs its specs in Jest, with transformIgnorePatterns alone', (project) =>
      inFolder(project, 'commonjs', () => nest11.runJest(project)),
    ),
  ],
};
