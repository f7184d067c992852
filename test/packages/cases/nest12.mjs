import assert from 'node:assert/strict';
import { readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nodes } from '../nodes.mjs';
import { visit } from '../visit.mjs';

/** tsconfig.json as `nest new` writes it for ESM since Nest 12, without the types of a test runner. */
export const TSCONFIG = {
  compilerOptions: {
    module: 'nodenext',
    moduleResolution: 'nodenext',
    resolvePackageJsonExports: true,
    esModuleInterop: true,
    isolatedModules: true,
    declaration: true,
    removeComments: true,
    emitDecoratorMetadata: true,
    experimentalDecorators: true,
    allowSyntheticDefaultImports: true,
    target: 'ES2023',
    sourceMap: true,
    outDir: './dist',
    rootDir: './src',
    skipLibCheck: true,
    strict: true,
    strictPropertyInitialization: false,
    types: ['vitest/globals', 'node'],
  },
  include: ['src'],
};

const FILES = {
  'package.json': { name: 'app', private: true, type: 'module' },
  'tsconfig.json': TSCONFIG,
  'vitest.config.mjs': `export default { test: { globals: true, include: ['src/**/*.spec.ts'] } };`,
};

export const PACKAGES = [
  '@nestjs/common@^12',
  '@nestjs/core@^12',
  '@nestjs/platform-express@^12',
  '@nestjs/testing@^12',
  '@types/express@^5',
  '@types/node@^24',
  'reflect-metadata@^0.2.2',
  'rxjs@^7.8.1',
  'typescript@^6.0.2',
  'vitest@^4.1.2',
];

/** Writes the app that `nest new` would have started. @param {import('../project.mjs').Project} project */
export async function writeApp(project) {
  await project.write(FILES);
  for (const file of ['app.module.ts', 'main.ts', 'every.subpath.ts'])
    await project.copy(`nest/${file}`, `src/${file}`);
  await project.copy('nest/spec.ts', 'src/app.spec.ts');
}

export const compile = (project, tsconfig = 'tsconfig.json') =>
  project.runNode('node_modules/typescript/bin/tsc', '-p', tsconfig);

export const serve = (project) => project.serve(['dist/main.js'], visit);

/** What Vitest says it ran, which must be the three cases of the spec. @param {import('../project.mjs').Project} project */
export async function runVitest(project) {
  const { stdout } = await project.runNode('node_modules/vitest/vitest.mjs', 'run');
  assert.match(stdout, /Tests.*3 passed/);
}

async function loadsEverySubpath(project) {
  const { stdout } = await project.runNode('dist/every.subpath.js');
  assert.deepEqual(JSON.parse(stdout), [true, true, 'function', 'function', 'function', 'object']);
}

export const nest12 = {
  name: 'Nest 12, ESM',
  async setup(project, tarball) {
    await writeApp(project);
    await project.install(...PACKAGES, tarball);
    return `Nest ${await project.version('@nestjs/core')}, TypeScript ${await project.version('typescript')}`;
  },
  cases: [
    { name: 'compiles with nodenext', run: async (project) => void (await compile(project)) },
    ...nodes.each('serves on Express', serve),
    ...nodes.each('loads every subpath', loadsEverySubpath),
    {
      name: 'runs its specs in Vitest',
      async run(project) {
        await runVitest(project);
        return `Vitest ${await project.version('vitest')}`;
      },
    },
    { name: 'has stack traces in TypeScript', run: tracesEndInTypeScript },
    { name: 'has declarations that end in TypeScript', run: declarationsEndInTypeScript },
    {
      name: 'serves on Fastify',
      async run(project) {
        await project.install('@nestjs/platform-fastify@^12');
        await project.copy('nest/main.fastify.ts', 'src/main.fastify.ts');
        await compile(project);
        await project.serve(['dist/main.fastify.js'], visit);
        return `Fastify ${await project.version('fastify')}`;
      },
    },
  ],
};

async function tracesEndInTypeScript(project) {
  await project.serve(['--enable-source-maps', 'dist/main.js'], async (url) => {
    const { stack } = await (await fetch(`${url}/trace`)).json();
    const line = stack.split('\n').find((one) => one.includes('nestjs-session-stores'));
    assert.match(line, /nestjs-session-stores\/lib\/[\w/.-]+\.ts:\d+/);
    const [, file, at] = /(?:file:\/\/|\()(\/.+\.ts):(\d+)/.exec(line);
    const text = (await readFile(file, 'utf8')).split('\n')[Number(at) - 1];
    assert.match(text, /throw|Error/, `${line} names the line of the error`);
  });
}

async function declarationsEndInTypeScript(project) {
  const folder = join(await realpath(join(project.folder, 'node_modules/nestjs-session-stores')), 'dist/lib');
  const declaration = join(folder, 'nest/session.service.d.ts');
  const map = JSON.parse(await readFile(`${declaration}.map`, 'utf8'));
  assert.match(await readFile(declaration, 'utf8'), /sourceMappingURL=session\.service\.d\.ts\.map/);
  const source = await readFile(join(dirname(declaration), map.sources[0]), 'utf8');
  assert.match(source, /export class SessionService/);
}
