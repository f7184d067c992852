// The pages of docs/benchmarks/, made of results alone.
import { GUARANTEES, packages } from '../packages.mjs';
import { casesOf, figure, labelOf, spread, table } from './format.mjs';
import { PLANNING } from './planning.mjs';
import { lossLine, lossesOf, ratioOf } from './losses.mjs';

/** The pages, by the topics that benches name. `first` are the benches that a page begins with. */
export const TOPICS = {
  requests: {
    title: 'Requests',
    about: 'The cost of sessions for the requests of an app, compared with other session packages.',
    first: ['requests', 'processes', 'http'],
  },
  races: {
    title: 'Races',
    about:
      'How often two requests that run at the same time leave a session in a state that neither intended.',
  },
  calls: {
    title: 'Store calls',
    about: 'How fast the stores are without an app.',
    first: ['redis', 'mongo', 'hazelcast', 'cluster', 'servers'],
  },
  memory: { title: 'Memory', about: 'The memory of a session in the process of an app, and in the server.' },
  growth: { title: 'Growth', about: 'How the times of calls change from 1,000 to 1,000,000 sessions.' },
  nodes: {
    title: 'More than one machine',
    about:
      'How to plan for several machines, and how the work of sessions divides among the nodes of a cluster.',
    text: PLANNING,
  },
  inside: { title: 'Inside the package', about: 'Figures behind decisions in the code.' },
};

const COMMAND = 'npm run bench';
const THE_GUARANTEES = 'The guarantees';

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
      '- Packages that are compared take turns, in the opposite order every other time, in most benches after a round that does not count.',
      '- A figure in front of brackets is the median of the rounds. The lowest and the highest are in the brackets, and a thin line in bar charts.',
      '- Servers, apps and the programs that load them share the processors of one machine.',
      '- A process of its own loads an app, over connections that stay open.',
      '- Redis does not persist here, MongoDB waits for the majority and the journal, and Hazelcast for a backup: the figures compare packages on one backend, not backends.',
    ].join('\n'),
    machineTable(results),
    `## ${THE_GUARANTEES}`,
    Object.entries(GUARANTEES)
      .map(([word, meaning]) => `- **${word}**: ${meaning}`)
      .join('\n'),
    'A guarantee costs time, most where a backend has no scripts. Part of a difference may come from a guarantee that the other package lacks.',
    ...lossParts(topics.flatMap(([topic]) => lossesOfTopic(results, topic))),
  ]);
}

function lossesOfTopic(results, topic) {
  return benchesOf(results, topic).flatMap(([, { measures }]) =>
    measures.flatMap((measure) => lossesOf(measure).map((loss) => Object.assign({ topic, measure }, loss))),
  );
}

/** A line for each measure with losses that are certain: its cases, with how much of the best other speed ours has. */
function lossParts(losses) {
  const certain = losses.filter(({ within }) => !within);
  const lines = [...new Set(certain.map(({ measure }) => measure))].map((measure) => {
    const some = certain.filter((loss) => loss.measure === measure);
    const { title } = measure;
    const hasSeveral = new Set(measure.rows.filter(isOurs).map(labelOf)).size > 1;
    const worst = new Map();
    for (const { case: name, ours, ratio } of some) {
      const label = [name, ...(hasSeveral || !name ? [labelOf(ours)] : [])].filter(Boolean).join(', ');
      worst.set(label, Math.min(worst.get(label) ?? Infinity, ratio));
    }
    const cases = [...worst].map(([label, ratio]) => `${label} **${ratioOf(ratio)}**`);
    return `- [${title}](${some[0].topic}.md#${anchorOf(title)}): ${cases.join('; ')}`;
  });
  return [
    '## Where this package loses',
    'The figures are the speed of this package relative to the fastest other one, 0.50 being half as fast. Cases whose spreads overlap are left out here; each page lists all, with both figures.',
    lines.length === 0 ? 'Nowhere in these figures.' : lines.join('\n'),
  ];
}

function isOurs({ package: name }) {
  return packages[name].kind === 'ours';
}

function topicPage(topic, benches) {
  const { title, about, text = about } = TOPICS[topic];
  const titles = benches.flatMap(([, { measures }]) => measures.map((measure) => measure.title));
  const twice = titles.find((one, index) => titles.indexOf(one) < index);
  if (twice) throw new Error(`${topic}.md has two measures with the title ${twice}`);
  return page([
    `# Benchmarks: ${title.toLowerCase()}`,
    text,
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
  const missing = Object.keys(GUARANTEES).filter((word) => !guarantees.includes(word));
  if (missing.length === 0) return 'all';
  if (missing.length === 1) return `all but ${missing[0]}`;
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
    servers.join(', '),
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
    'shared servers',
    'load before',
    'seconds',
  ];
  return `${table(head, rows)}\n\nBenches that start servers of their own start the same versions. The load is the average of the minute before, of which the bench before is part.`;
}

/** In the order of the topic's `first`, then the others. */
function benchesOf(results, topic) {
  const { first = [] } = TOPICS[topic];
  const place = ([bench]) => (first.includes(bench) ? first.indexOf(bench) : first.length);
  return Object.entries(results)
    .filter(([, result]) => result.topic === topic)
    .toSorted((one, other) => place(one) - place(other));
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
