import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * One figure. `case` says what was measured, and is empty if the title does, `package` is a name of packages.mjs, `variant` a way to use it, and `x`
 * the position in a chart of lines. `note` says why there is no figure, or what to know about it.
 *
 * @typedef {{ case: string, package: string, variant?: string, median?: number, low?: number, high?: number, x?: number, note?: string }} Row
 *
 * Figures of one unit that may be compared. `better` is left out if neither is.
 *
 * @typedef {object} Measure
 * @property {string} name unique among the measures of its bench, and part of the chart's file name
 * @property {string} title
 * @property {string} [about] what to know about the figures
 * @property {string} unit
 * @property {'higher' | 'lower'} [better]
 * @property {'bars' | 'lines'} [chart]
 * @property {string} [columns] what `x` counts, sessions by default
 * @property {Row[]} rows
 *
 * @typedef {{ title: string, topic: string, how: string, seconds: number, quick: boolean, machine: object, servers: string[], versions: Record<string, string>, measures: Measure[] }} Result
 */

const NAME = 'results.json';

/**
 * The results in a folder by bench, empty without a file.
 *
 * @returns {Promise<Record<string, Result>>}
 */
export async function readResults(folder) {
  const text = await readFile(join(folder, NAME), 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return '{}';
    throw error;
  });
  return JSON.parse(text);
}

/** Writes files into a folder, by their names. */
export async function writeFiles(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

export function resultsFile(results) {
  const rounded = (_key, value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);
  return { [NAME]: `${JSON.stringify(results, rounded, 2)}\n` };
}
