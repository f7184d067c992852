import { compile, PACKAGES, writeApp } from './nest12.mjs';
import { visit, visitFailures } from '../visit.mjs';

/** The oldest Nest 12 that npm installs: 12.0.0 asks for common 11. */
const OLDEST = PACKAGES.map((one) => one.replace(/^(@nestjs\/[\w-]+)@\^12$/, '$1@12.0.1'));

/** @param {string} program */
const serves = (program) => (project) =>
  project.serve([program], async (url) => {
    await visit(url);
    await visitFailures(url);
  });

export const nest120 = {
  name: 'Nest 12.0, ESM',
  async setup(project, tarball) {
    await writeApp(project);
    await project.copy('nest/main.fastify.ts', 'src/main.fastify.ts');
    await project.install(...OLDEST, '@nestjs/platform-fastify@12.0.1', tarball);
    await compile(project);
    return `Nest ${await project.version('@nestjs/core')}`;
  },
  cases: [
    { name: 'serves on Express and keeps messages of our errors from clients', run: serves('dist/main.js') },
    {
      name: 'serves on Fastify and keeps messages of our errors from clients',
      run: serves('dist/main.fastify.js'),
    },
  ],
};
