// The cost of sessions in memory to a request: over HTTP, and without sockets.
import { compareApps } from './apps/compare.mjs';
import { compareSocketless } from './http/socketless.mjs';

export const title = 'The cost of a request in memory';
export const topic = 'requests';
export const how =
  'An app in a process of its own, with 32 connections, each with a session of its own. express-session parses and serializes the whole session with each request. This package parses a value of 64 characters or more only when a handler reads it, and the handlers here read no large value.';

export async function run(bench) {
  const measures = await compareSocketless(bench);
  for (const size of bench.scale([300, 3_000, 100_000], [])) {
    const label = `Express, sessions of ${size.toLocaleString('en')} bytes`;
    const about = { name: String(size), title: label, size, scenarios: ['read', 'write'] };
    const [rates, cost] = await compareApps(['no session', 'MemoryStore', 'ClusterStore'], about, bench);
    measures.push(rates, cost);
  }
  return measures.flatMap((measure) =>
    measure.unit.startsWith('µs') ? [measure, overNone(measure)] : [measure],
  );
}

/** What the sessions alone take: the figures above those of no session. */
function overNone(measure) {
  const bases = new Map();
  const rows = [];
  for (const row of measure.rows) {
    if (row.package === 'no session') {
      bases.set(row.case, row.median);
      continue;
    }
    const base = bases.get(row.case);
    rows.push({ ...row, median: row.median - base, low: row.low - base, high: row.high - base });
  }
  const { chart: _, ...others } = measure;
  return {
    ...others,
    name: `${measure.name}-above`,
    title: `${measure.title}, above that of no session`,
    rows,
  };
}
