// `npm run bench` runs every bench, `npm run bench -- cluster` only the named ones.
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { busy, machine } from './frame/machine.mjs';
import { Progress } from './frame/progress.mjs';
import { readResults, resultsFile, writeFiles } from './frame/results.mjs';
import { Servers } from './frame/servers.mjs';
import { versionsOf } from './packages.mjs';
import { chartOf } from './report/charts.mjs';
import { pagesOf, printed } from './report/pages.mjs';

const all = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.mjs'))
  .map((file) => file.replace('.bench.mjs', ''));

const HELP = `npm run bench -- [name…] [--quick] [--pages] [--out folder]

Measures, and writes pages with charts to docs/benchmarks/. Without a name, everything is measured.

  --quick       few rounds and few sessions, in three minutes; writes to .benchmarks/
  --pages       measures nothing, and writes the pages of the last figures again
  --out folder  writes to another folder

Names: ${all.join(', ')}.`;

const { quick, onlyPages, out, named } = options();
const folder = resolve(import.meta.dirname, '..', out);
const servers = new Servers();
const progress = new Progress(named.length);
const results = await readResults(folder);
const warning = busy(machine());
if (warning && !onlyPages) console.error(warning);
try {
  await (onlyPages ? writePages() : measureAll());
} finally {
  await servers.stop();
}

async function measureAll() {
  for (const [index, name] of named.entries()) {
    try {
      await measure(index, name);
    } catch (error) {
      console.error(`${name} failed, and its former figures stay:`, error);
      process.exitCode = 1;
    }
  }
  progress.finish();
}

/** Runs a bench, and writes the pages anew. */
async function measure(index, name) {
  const { title, topic, how, run } = await import(`./${name}.bench.mjs`);
  progress.begin(index, name, results[name]?.quick === quick ? results[name].seconds : undefined);
  const before = machine();
  const used = new Set();
  const measures = await run({
    scale: (full, less) => (quick ? less : full),
    step: (text) => progress.step(text),
    address(backend) {
      used.add(backend);
      return servers.address(backend);
    },
  });
  results[name] = {
    title,
    topic,
    how,
    seconds: progress.elapsed,
    quick,
    machine: before,
    servers: (await Promise.all([...used].map((backend) => servers.version(backend)))).filter(Boolean),
    versions: versionsOf(measures),
    measures,
  };
  progress.end();
  console.log(`\n## ${title}\n\n${printed(results[name])}`);
  await writePages();
}

function writePages() {
  return writeFiles(folder, { ...resultsFile(results), ...pagesOf(results, chartOf) });
}

function options() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        pages: { type: 'boolean', default: false },
        out: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
    if (values.help) {
      console.log(HELP);
      process.exit();
    }
    const unknown = positionals.filter((name) => !all.includes(name));
    if (values.pages && positionals.length > 0)
      throw new Error('--pages writes all pages: leave out the names.');
    if (unknown.length > 0) throw new Error(`Unknown bench ${unknown.join(', ')}.`);
    return {
      quick: values.quick,
      onlyPages: values.pages,
      out: values.out ?? (values.quick ? '.benchmarks' : 'docs/benchmarks'),
      named: positionals.length > 0 ? positionals : all,
    };
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(1);
  }
}
