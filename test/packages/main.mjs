// Packs the package, installs the tarball in apps as their generators write them, and runs each.
// `npm run test:packages`, or `npm run test:packages -- Jest` for the cases with a word in their name.
import { drivers } from './cases/drivers.mjs';
import { express } from './cases/express.mjs';
import { laws } from './cases/laws.mjs';
import { nest11 } from './cases/nest11.mjs';
import { nest12Jest } from './cases/nest12.jest.mjs';
import { nest120 } from './cases/nest12.0.mjs';
import { nest12 } from './cases/nest12.mjs';
import { pnpm } from './cases/pnpm.mjs';
import { nodes } from './nodes.mjs';
import { Project } from './project.mjs';
import { pack } from '../../tools/pack.mjs';

const word = process.argv[2]?.toLowerCase() ?? '';
const failures = [];
const started = performance.now();
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1).padStart(6)} s`;

/** Runs one step and prints its line. */
async function step(name, run) {
  const start = performance.now();
  try {
    const detail = await run();
    console.log(`ok    ${seconds(start)}  ${name}${detail ? ` (${detail})` : ''}`);
    return true;
  } catch (error) {
    console.log(`FAIL  ${seconds(start)}  ${name}\n${error.stack}`);
    failures.push(name);
    return false;
  }
}

const tools = await Project.create();
try {
  let tarball;
  await step('npm pack', async () => void (tarball = await pack(tools.folder)));
  await step('Node versions', () => nodes.install(tools));
  if (failures.length === 0) {
    for (const suite of [nest12, nest12Jest, nest120, nest11, express, laws, drivers, pnpm])
      await runSuite(suite, tarball);
  }
} finally {
  await tools.remove();
}
console.log(
  `\n${failures.length === 0 ? 'All passed' : `${failures.length} failed`} in ${seconds(started).trim()}`,
);
process.exitCode = failures.length === 0 ? 0 : 1;

/** Sets one project up, with its packages, and runs its cases there one after the other. */
async function runSuite({ name, setup, cases }, tarball) {
  const chosen = cases.filter((one) => `${name}: ${one.name}`.toLowerCase().includes(word));
  if (chosen.length === 0) return;
  const project = await Project.create();
  try {
    if (!(await step(`${name}: install`, () => setup(project, tarball)))) return;
    for (const one of chosen) {
      project.node = process.execPath;
      await step(`${name}: ${one.name}`, () => one.run(project, tarball));
    }
  } finally {
    await project.remove();
  }
}
