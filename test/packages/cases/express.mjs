import { nodes } from '../nodes.mjs';
import { visit } from '../visit.mjs';

export const express = {
  name: 'Express, JavaScript',
  async setup(project, tarball) {
    await project.write({ 'package.json': { name: 'app', private: true } });
    await project.copy('express/app.mjs', 'app.mjs');
    await project.copy('express/app.cjs', 'app.cjs');
    await project.install('express@^5', tarball);
    if (project.has('node_modules/@nestjs')) throw new Error('Nest was installed with the package');
    return `Express ${await project.version('express')}, without Nest and drivers`;
  },
  cases: [
    ...nodes.each('serves, by import', (project) => project.serve(['app.mjs'], visit)),
    ...nodes.each('serves, by require()', (project) => project.serve(['app.cjs'], visit)),
  ],
};
