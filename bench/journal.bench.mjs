// The cost of a directory: what a ClusterStore writes per second with and without one, and how long a journal takes to
// be read. The directories are in the system's directory for temporary files, or in DIRECTORY.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { alternate, rowsOf, summary } from './figures.mjs';
import { bytes } from './session.mjs';

export const title = 'ClusterStore with a directory';
export const topic = 'calls';
export const how = `Calls of a ClusterStore in one process, with sessions of ${bytes} bytes. How fast durability 'disk' is depends on the disk.`;

const KINDS = { memory: 'memory only', process: "durability 'process'", disk: "durability 'disk'" };

export async function run(bench) {
  const parent = await mkdtemp(join(process.env.DIRECTORY ?? tmpdir(), 'bench-'));
  try {
    return [...(await rates(parent, bench)), ...(await loads(parent, bench))];
  } finally {
    await rm(parent, { recursive: true });
  }
}

async function rates(parent, { scale, step }) {
  const rows = [];
  for (const operation of ['create', 'write one property', 'destroy']) {
    for (const inFlight of scale([1, 32, 256], [32])) {
      step(`${operation}, ${inFlight} in flight`);
      const times = { rounds: scale(3, 1), warmUp: 0 };
      const figures = await alternate(Object.keys(KINDS), times, async (kind) => {
        const directory = join(parent, kind);
        const measured = await child('rate', kind, directory, operation, inFlight, scale(30_000, 2_000));
        await rm(directory, { recursive: true, force: true });
        return measured;
      });
      const about = { case: `${operation}, ${inFlight} in flight`, package: 'ClusterStore' };
      for (const [kind, { perSecond }] of figures)
        rows.push({ ...about, variant: KINDS[kind], ...summary(perSecond) });
    }
  }
  return [
    {
      name: 'rates',
      title: 'Calls with and without a directory',
      unit: 'calls/s',
      better: 'higher',
      chart: 'bars',
      rows,
    },
  ];
}

async function loads(parent, { scale, step }) {
  const rows = { seconds: [], cpuSeconds: [] };
  for (const size of scale([100_000, 300_000, 1_000_000], [10_000])) {
    step(`open with ${size} sessions`);
    const directory = join(parent, `of ${size}`);
    const { megabytes } = await child('fill', 'process', directory, size);
    const figures = await alternate(['ClusterStore'], { rounds: scale(3, 1), warmUp: 0 }, () =>
      child('load', 'process', directory, size),
    );
    const name = `${size.toLocaleString('en')} sessions, a journal of ${megabytes.toFixed(0)} MB`;
    for (const figure in rows) rows[figure].push(...rowsOf(figures, figure, { case: name }));
    await rm(directory, { recursive: true });
  }
  const shared = { unit: 's', better: 'lower' };
  return [
    { name: 'open', title: 'The time until a store is open', ...shared, rows: rows.seconds },
    { name: 'open-cost', title: 'CPU time until a store is open', ...shared, rows: rows.cpuSeconds },
  ];
}

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
