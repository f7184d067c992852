// `npm run bench` runs every bench, `npm run bench -- cluster` only the named ones.
import { readdirSync } from 'node:fs';

const all = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.mjs'))
  .map((file) => file.replace('.bench.mjs', ''));
const named = process.argv.slice(2);
const unknown = named.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`Unknown bench ${unknown.join(', ')}. Available: ${all.join(', ')}.`);
  process.exit(1);
}

for (const name of named.length > 0 ? named : all) {
  const { title, run } = await import(`./${name}.bench.mjs`);
  console.log(`\n## ${title}\n`);
  await run();
}
