// The pages of docs/benchmarks/, made of results alone.
import { GUARANTEES, packages } from '../packages.mjs';
import { casesOf, figure, labelOf, spread, table } from './format.mjs';
import { lossLine, lossesOf, ratioOf } from './losses.mjs';

/** The pages, by the topics that benches name. */
export const TOPICS = {
  requests: {
    title: 'Requests',
    about: 'What sessions cost the requests of an app, with the packages that apps use otherwise.',
  },
  races: {
    title: 'Races',
    about:
      'How often two requests that run at the same time leave a session in a state that neither intended.',
  },
  calls: { title: 'Store calls', about: 'How fast the stores are without an app.' },
  memory: { title: 'Memory', about: 'What a session takes in the process of an app, and in the server.' },
  growth: { title: 'Growth', about: 'How calls and logouts take longer as sessions accumulate, or do not.' },
  nodes: {
    title: 'More than one machine',
    about: 'How the work of a session divides among the nodes of a cluster.',
  },
  inside: { title: 'Inside the package', about: 'Figures behind decisions in the code.' },
};

const COMMAND = 'npm run bench';
const THE_GUARANTEES = 'The words of the column “guarantees”';

/**
 * All pages and charts.
 *
 * @param {Record<string, import('../frame/results.mjs').Result>} results by bench
 * @param {(measure: object) => string} chartOf draws a measure
 * @returns {Record<string, string>} texts by the names of their files
 */
export function pagesOf(results, chartOf) {
  const files = { 'index.md': indexPage(results) };
  for (const topic of Object.keys(TOPICS)) {
    const benches = benchesOf(results, topic);
    if (benches.length === 0) continue;
    files[`${topic}.md`] = topicPage(topic, benches);
    for (const [bench, { measures }] of benches) {
      for (const measure of measures.filter(({ chart }) => chart))
        files[chartFile(bench, measure)] = chartOf(measure);
    }
  }
  return files;
}

function indexPage(results) {
  const topics = Object.entries(TOPICS).filter(([topic]) => benchesOf(results, topic).length > 0);
  return page([
    '# Benchmarks',
    `\`\`\`sh\n${COMMAND}                  # all: figures, pages and charts\n${COMMAND} -- redis races   # some\n${COMMAND} -- --quick       # all in three minutes, to .benchmarks/\n\`\`\``,
    `These pages are made by \`${COMMAND}\`. Run it on your own machine.`,
    topics.map(([topic, { title, about }]) => `- [${title}](${topic}.md): ${about}`).join('\n'),
    '## How it is measured',
    [
      '- Each package runs with the settings that its README recommends. Tables of the pages name them.',
      '- Packages are measured by turns, in the opposite order every other time, after rounds that do not count.',
      '- A figure is the median of the rounds. The lowest and the highest are in brackets, and a thin line in charts.',
      '- Servers, apps and the programs that load them share the processors of one machine.',
      '- A process of its own loads an app, over connections that stay open.',
    ].join('\n'),
    machineTable(results),
    `## ${THE_GUARANTEES}`,
    Object.entries(GUARANTEES)
      .map(([word, meaning]) => `- **${word}**: ${meaning}`)
      .join('\n'),
    'A guarantee costs time, most where a backend has no scripts. A package without it is faster for that reason alone.',
    ...lossParts(topics.flatMap(([topic]) => lossesOfTopic(results, topic))),
  ]);
}

function lossesOfTopic(results, topic) {
  return benchesOf(results, topic).flatMap(([, { measures }]) =>
    measures.flatMap((measure) => lossesOf(measure).map((loss) => Object.assign({ topic, measure }, loss))),
  );
}

/** The losses that are certain, worst first, and those that may be chance. */
function lossParts(losses) {
  const sorted = losses.toSorted((one, other) => one.ratio - other.ratio);
  const certain = sorted.filter(({ within }) => !within);
  const others = sorted.filter(({ within }) => within);
  return [
    '## Where this package loses',
    certain.length === 0
      ? 'Nowhere in these figures.'
      : `The last column is the part of the other package's speed that this package reaches.\n\n${lossTable(certain)}`,
    ...(others.length > 0
      ? ['## Where the spreads overlap', 'Here another package has the better median.', lossTable(others)]
      : []),
  ];
}

function lossTable(losses) {
  return table(
    ['figures', 'case', 'this package', 'the other', 'part'],
    losses.map(({ topic, measure: { title, unit }, case: name, ours, theirs, ratio }) => [
      `[${title}](${topic}.md#${anchorOf(title)})`,
      name,
      `${labelOf(ours)} ${figure(ours.median)} ${unit}`,
      `${labelOf(theirs)} ${figure(theirs.median)} ${unit}`,
      ratioOf(ratio),
    ]),
  );
}

function topicPage(topic, benches) {
  const { title, about } = TOPICS[topic];
  const titles = benches.flatMap(([, { measures }]) => measures.map((measure) => measure.title));
  const twice = titles.find((one, index) => titles.indexOf(one) < index);
  if (twice) throw new Error(`${topic}.md has two measures with the title ${twice}`);
  return page([
    `# Benchmarks: ${title.toLowerCase()}`,
    about,
    ...benches.flatMap(([bench, result]) => [
      `## ${result.title}`,
      result.how,
      `\`${COMMAND} -- ${bench}\``,
      ...result.measures.flatMap((measure) => measureParts(bench, measure)),
    ]),
    ...packagesTable(benches.map(([, result]) => result)),
    machineTable(Object.fromEntries(benches)),
    `[All benchmarks](index.md) · [${THE_GUARANTEES.toLowerCase()}](index.md#${anchorOf(THE_GUARANTEES)})`,
  ]);
}

function measureParts(bench, measure) {
  const losses = lossesOf(measure);
  return [
    `### ${measure.title}`,
    ...(measure.about ? [measure.about] : []),
    ...(measure.chart ? [`![${measure.title}, ${measure.unit}](${chartFile(bench, measure)})`] : []),
    tableOf(measure),
    ...(losses.length > 0
      ? ['Where this package loses:', losses.map((loss) => `- ${lossLine(loss, measure.unit)}`).join('\n')]
      : []),
  ];
}

/** The tables that a run prints. */
export function printed({ measures }) {
  return measures.map((measure) => `### ${measure.title}\n\n${tableOf(measure)}\n`).join('\n');
}

function tableOf(measure) {
  return measure.rows.some(({ x }) => x !== undefined) ? seriesTable(measure) : measureTable(measure);
}

function measureTable({ unit, rows }) {
  // Where nothing is compared with, guarantees say nothing.
  const hasCases = rows.some((row) => row.case);
  const isCompared = rows.some((row) => packages[row.package].kind === 'peer');
  const cells = [...casesOf(rows)].flatMap(([name, some]) =>
    some.map((row, index) => [
      ...(hasCases ? [index === 0 ? name : ''] : []),
      labelOf(row),
      ...(isCompared ? [guaranteesOf(row.package)] : []),
      figureOf(row),
    ]),
  );
  return table(
    [...(hasCases ? ['case'] : []), 'package', ...(isCompared ? ['guarantees'] : []), unit],
    cells,
  );
}

/** A column for each number of sessions, or of what else `columns` names. */
function seriesTable({ unit, rows, columns: of = 'sessions' }) {
  const columns = [...new Set(rows.map(({ x }) => x))];
  const cells = [...casesOf(rows)].map(([name, some]) =>
    [name].concat(columns.map((x) => figureOf(some.find((row) => row.x === x) ?? {}))),
  );
  return table([unit, ...columns.map((x) => `${x.toLocaleString('en')} ${of}`)], cells);
}

function figureOf(row) {
  if (row.median === undefined) return row.note ?? 'not measured';
  return row.note ? `${spread(row)}, ${row.note}` : spread(row);
}

function guaranteesOf(name) {
  const { kind, guarantees } = packages[name];
  if (kind === 'baseline') return '';
  if (guarantees.length === Object.keys(GUARANTEES).length) return 'all';
  return guarantees.length === 0 ? 'none' : guarantees.join(', ');
}

/** The versions and settings of the packages that results name. */
function packagesTable(results) {
  const versions = Object.assign({}, ...results.map((result) => result.versions));
  const names = new Set(
    results.flatMap(({ measures }) => measures.flatMap(({ rows }) => rows.map((row) => row.package))),
  );
  const rows = [...names]
    .filter((name) => packages[name].settings)
    .map((name) => [name, versions[name] ?? 'this one', packages[name].settings, guaranteesOf(name)]);
  return rows.length === 0
    ? []
    : ['## The packages', table(['package', 'version', 'settings', 'guarantees'], rows)];
}

function machineTable(results) {
  const rows = Object.entries(results).map(([bench, { machine, servers, seconds, quick }]) => [
    bench,
    machine.date,
    machine.processors,
    machine.memory,
    machine.system,
    machine.node,
    servers.join(', ') || 'none',
    figure(machine.load),
    `${figure(seconds)}${quick ? ', `--quick`' : ''}`,
  ]);
  const head = [
    'bench',
    'date',
    'processors',
    'memory',
    'system',
    'Node',
    'servers',
    'load at the start',
    'seconds',
  ];
  return table(head, rows);
}

function benchesOf(results, topic) {
  return Object.entries(results).filter(([, result]) => result.topic === topic);
}

function chartFile(bench, { name }) {
  return `charts/${bench}-${name}.svg`;
}

/** As GitHub makes the fragments of headings. */
function anchorOf(title) {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function page(parts) {
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}
