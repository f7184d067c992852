import assert from 'node:assert/strict';
import { nodes } from '../nodes.mjs';
import { compile } from './nest12.mjs';
import { visit, visitFailures } from '../visit.mjs';

/** tsconfig.json as `nest new` wrote it up to @nestjs/schematics 11.0.5. */
const COMMONJS = {
  module: 'commonjs',
  declaration: true,
  removeComments: true,
  emitDecoratorMetadata: true,
  experimentalDecorators: true,
  allowSyntheticDefaultImports: true,
  target: 'ES2023',
  sourceMap: true,
  outDir: './dist',
  baseUrl: './',
  skipLibCheck: true,
  strictNullChecks: true,
  forceConsistentCasingInFileNames: true,
  noImplicitAny: false,
  strictBindCallApply: false,
  noFallthroughCasesInSwitch: false,
};

/** As it wrote it from then on. */
const NODENEXT = {
  ...COMMONJS,
  module: 'nodenext',
  moduleResolution: 'nodenext',
  resolvePackageJsonExports: true,
  esModuleInterop: true,
  isolatedModules: true,
  outDir: './dist-nodenext',
};

/** package.json's `jest` as `nest new` writes it, and the one line that the README gives. */
const jestConfig = (transformIgnorePatterns, tsconfig) => ({
  moduleFileExtensions: ['js', 'json', 'ts'],
  rootDir: 'src',
  testRegex: '.*\\.spec\\.ts$',
  transform: { '^.+\\.(t|j)s$': tsconfig ? ['ts-jest', { tsconfig }] : 'ts-jest' },
  testEnvironment: 'node',
  transformIgnorePatterns,
});

export const PACKAGES = [
  '@nestjs/common@11.0.0',
  '@nestjs/core@11.0.0',
  '@nestjs/platform-express@11.0.0',
  '@nestjs/testing@11.0.0',
  '@types/express@^5.0.0',
  '@types/jest@^30',
  '@types/node@^22.10.7',
  'jest@^30',
  'reflect-metadata@^0.2.2',
  'rxjs@^7.8.1',
  'ts-jest@^29.2.5',
  'typescript@^5.7.3',
];

/** @param {import('../project.mjs').Project} project @param {string} ignored a pattern for Jest */
export async function writeApp(project, ignored) {
  await project.write({
    'package.json': { name: 'app', private: true, jest: jestConfig([ignored]) },
    'tsconfig.json': { compilerOptions: COMMONJS, include: ['src'] },
    'jest.nodenext.json': jestConfig([ignored], '<rootDir>/../tsconfig.nodenext.json'),
    'tsconfig.nodenext.json': { compilerOptions: NODENEXT, include: ['src'] },
  });
  for (const file of ['app.module.ts', 'main.ts', 'every.subpath.ts'])
    await project.copy(`nest/${file}`, `src/${file}`);
  // ts-jest does not find a .ts file by the name of its .js file.
  await project.copy('nest/spec.ts', 'src/app.spec.ts', (text) =>
    text.replace("./app.module.js'", "./app.module'"),
  );
}

/** @param {import('../project.mjs').Project} project */
export async function runJest(project, ...args) {
  const { stderr } = await project.runNode('node_modules/jest/bin/jest.js', ...args);
  assert.match(stderr, /Tests:\s+3 passed, 3 total/);
  return `Jest ${await project.version('jest')}, ts-jest ${await project.version('ts-jest')}`;
}

const servesFrom = (folder) => async (project) => {
  await project.serve([`${folder}/main.js`], visit);
  const { stdout } = await project.runNode(`${folder}/every.subpath.js`);
  assert.deepEqual(JSON.parse(stdout), [true, true, 'function', 'function', 'function', 'object']);
};

export const nest11 = {
  name: 'Nest 11.0, CommonJS',
  async setup(project, tarball) {
    await writeApp(project, '/node_modules/(?!nestjs-session-stores/)');
    await project.install(...PACKAGES, tarball);
    return `Nest ${await project.version('@nestjs/core')}, TypeScript ${await project.version('typescript')}`;
  },
  cases: [
    { name: 'compiles with module commonjs', run: async (project) => void (await compile(project)) },
    ...nodes.each('serves, compiled with module commonjs', servesFrom('dist')),
    {
      name: 'keeps messages of our errors from clients on Express',
      async run(project) {
        await compile(project);
        await project.serve(['dist/main.js'], visitFailures);
      },
    },
    {
      name: 'keeps messages of our errors from clients on Fastify',
      async run(project) {
        // With the versions of the others, which npm would bring up to date.
        await project.install(...PACKAGES, '@nestjs/platform-fastify@11.0.3');
        await project.copy('nest/main.fastify.ts', 'src/main.fastify.ts');
        await compile(project);
        await project.serve(['dist/main.fastify.js'], visitFailures);
        return `Nest ${await project.version('@nestjs/core')}`;
      },
    },
    {
      name: 'compiles with nodenext',
      run: async (project) => void (await compile(project, 'tsconfig.nodenext.json')),
    },
    ...nodes.each('serves, compiled with nodenext', servesFrom('dist-nodenext')),
    ...nodes.each('runs its specs in Jest, with transformIgnorePatterns alone', (project) =>
      runJest(project),
    ),
    ...nodes.each('runs its specs in Jest, with transformIgnorePatterns alone and nodenext', (project) =>
      runJest(project, '--config', 'jest.nodenext.json'),
    ),
  ],
};
