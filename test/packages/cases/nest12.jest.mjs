import assert from 'node:assert/strict';
import { nodes } from '../nodes.mjs';
import { PACKAGES, TSCONFIG, serve, compile } from './nest12.mjs';

const JEST = 'node_modules/jest/bin/jest.js';

/** The Jest of `nest new` for CommonJS since Nest 12. */
const CONFIG = {
  moduleFileExtensions: ['js', 'json', 'ts'],
  rootDir: '.',
  testRegex: '.*\\.spec\\.ts$',
  transform: { '^.+\\.(t|j)s$': 'ts-jest' },
  testEnvironment: 'node',
};

async function runJest(project, ...args) {
  const { stderr } = await project.runNode(...args);
  assert.match(stderr, /Tests:\s+3 passed, 3 total/);
}

export const nest12Jest = {
  name: 'Nest 12, CommonJS',
  async setup(project, tarball) {
    await project.write({
      'package.json': { name: 'app', private: true },
      'tsconfig.json': {
        ...TSCONFIG,
        compilerOptions: { ...TSCONFIG.compilerOptions, types: ['node', 'jest'] },
      },
      'jest.config.json': CONFIG,
    });
    for (const file of ['app.module.ts', 'main.ts', 'every.subpath.ts'])
      await project.copy(`nest/${file}`, `src/${file}`);
    await project.copy('nest/spec.ts', 'src/app.spec.ts', (text) =>
      text.replace("./app.module.js'", "./app.module'"),
    );
    const packages = PACKAGES.filter((one) => !one.startsWith('vitest'));
    await project.install(...packages, '@types/jest@^30', 'jest@^30', 'ts-jest@^29.4.0', tarball);
    return `Nest ${await project.version('@nestjs/core')}, Jest ${await project.version('jest')}`;
  },
  cases: [
    { name: 'compiles with nodenext', run: async (project) => void (await compile(project)) },
    ...nodes.each('serves', serve),
    {
      // Nest 12 is ESM-only too, and Jest loads ES modules by require() on Node 24.9 and newer alone.
      name: 'runs its specs in Jest as nest new configures it, on Node 24',
      run(project) {
        nodes.newest(project);
        return runJest(project, '--experimental-vm-modules', JEST);
      },
    },
  ],
};
