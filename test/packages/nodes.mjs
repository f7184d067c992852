import { join } from 'node:path';

/** The oldest Node of each older line that package.json allows, and the newest of each later one. */
const VERSIONS = ['20.19.0', '22.12.0', '24', '26'];

/** Programs by version, once installed. @type {Map<string, string>} */
const programs = new Map();

export const nodes = {
  /** Installs every version. @param {import('./project.mjs').Project} project */
  async install(project) {
    const found = [];
    for (const version of VERSIONS) {
      const prefix = join(project.folder, `node-${version}`);
      // With its script, which fetches the program.
      await project.run('npm', [
        'install',
        '--prefix',
        prefix,
        '--no-audit',
        '--no-fund',
        '--loglevel',
        'error',
        `node@${version}`,
      ]);
      const program = join(prefix, 'node_modules/node/bin/node');
      programs.set(version, program);
      found.push((await project.run(program, ['--version'])).stdout.trim());
    }
    return found.join(', ');
  },

  /** One case for each version. @param {string} name @param {(project: import('./project.mjs').Project) => Promise<unknown>} run */
  each(name, run) {
    return VERSIONS.map((version) => ({
      name: `${name}, on Node ${version}`,
      run(project) {
        project.node = programs.get(version);
        return run(project);
      },
    }));
  },

  newest: (project) => void (project.node = programs.get(VERSIONS.at(-1))),
  oldest: (project) => void (project.node = programs.get(VERSIONS[0])),
};
