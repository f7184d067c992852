// The cost of a directory: what a ClusterStore writes per second with and without one, and how long a journal takes to
// be read. The directories are in the system's directory for temporary files, or in DIRECTORY.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { summary, table, thousands } from './figures.mjs';
import { bytes } from './session.mjs';

export const title = 'Journal: ClusterStore with a directory';

const ROUNDS = 3;
const KINDS = ['memory', 'process', 'disk'];
const SIZES = [100_000, 300_000, 1_000_000];

export async function run() {
  const parent = await mkdtemp(join(process.env.DIRECTORY ?? tmpdir(), 'bench-'));
  try {
    await rates(parent);
    await loads(parent);
  } finally {
    await rm(parent, { recursive: true });
  }
}

async function rates(parent) {
  const rows = [];
  for (const operation of ['create', 'write one property', 'destroy']) {
    for (const inFlight of [1, 32, 256]) {
      const measured = Object.fromEntries(KINDS.map((kind) => [kind, []]));
      for (let round = 0; round < ROUNDS; round++) {
        for (const kind of round % 2 ? KINDS : KINDS.toReversed()) {
          const directory = join(parent, `${kind} ${rows.length} ${round}`);
          measured[kind].push(await child('rate', kind, directory, operation, inFlight));
          await rm(directory, { recursive: true, force: true });
        }
      }
      rows.push([
        operation,
        inFlight,
        ...KINDS.map((kind) => shown(measured[kind].map((one) => one.perSecond))),
      ]);
    }
  }
  console.log(
    `Calls per second in one process, ${bytes} bytes per session; median (lowest–highest) of ${ROUNDS} alternating rounds.\n`,
  );
  table(['call', 'in flight', 'memory only', "durability 'process'", "durability 'disk'"], rows);
}

async function loads(parent) {
  const rows = [];
  for (const size of SIZES) {
    const directory = join(parent, `of ${size}`);
    const { megabytes } = await child('fill', 'process', directory, size);
    const [seconds, cpuSeconds] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      const figures = await child('load', 'process', directory, size);
      seconds.push(figures.seconds);
      cpuSeconds.push(figures.cpuSeconds);
    }
    const show = ({ median, low, high }) => `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
    const journal = `${megabytes.toFixed(0)} MB`;
    rows.push([size.toLocaleString('en'), journal, show(summary(seconds)), show(summary(cpuSeconds))]);
    await rm(directory, { recursive: true });
  }
  console.log('\nSeconds until a store is open.\n');
  table(['sessions', 'journal', 'seconds', 'seconds of processor time'], rows);
}

const shown = (figures) => {
  const { median, low, high } = summary(figures);
  return `${thousands(median)} (${thousands(low)}–${thousands(high)})`;
};

/** Runs a task of journal/process.mjs. Resolves to its figures. */
async function child(...args) {
  const program = `${import.meta.dirname}/journal/process.mjs`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--max-old-space-size=8000',
    program,
    ...args,
  ]);
  return JSON.parse(stdout);
}
