// Charts as SVG files without scripts. They follow the color scheme of the reader, and use the fonts of the system.
import { packages } from '../packages.mjs';
import { peer } from '../stores/theirs.mjs';
import { casesOf, figure, labelOf } from './format.mjs';

const Plot = await import(peer.resolve('@observablehq/plot'));
const { parseHTML } = peer('linkedom');

const WIDTH = 720;
const BAR = 20;
const SPACE = 32;
const MARGIN = 30;
/** For lines, told apart by color-blind readers too, and by the names at their ends. */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b8860b', '#56b4e9', '#8a63d2', '#777777'];

const STYLE = `
  :root { --text: #24292f; --grid: #d8dee4; --ours: #0969da; --peer: #a8b3bf; --spread: #24292f; }
  @media (prefers-color-scheme: dark) {
    :root { --text: #e6edf3; --grid: #3d444d; --ours: #4493f8; --peer: #656c76; --spread: #e6edf3; }
  }
  svg { color: var(--text); }
  text { font-family: system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; font-size: 12px; }
  .case text { font-weight: 600; }
`;

/**
 * Draws a measure.
 *
 * @param {import('../frame/results.mjs').Measure} measure with a `chart`
 * @returns {string} the text of an SVG file
 */
export function chartOf(measure) {
  const rows = measure.rows.filter(({ median }) => median !== undefined);
  return svgOf(measure.chart === 'lines' ? lines(rows, measure) : bars(rows, measure));
}

/** One bar for each package, below the name of its case, with the lowest and the highest figure as a thin line. */
function bars(rows, { unit }) {
  const cases = casesOf(rows);
  const left = 24 + 6.4 * Math.max(...rows.map((row) => labelOf(row).length));
  const most = Math.max(...rows.map(({ high }) => high));
  // Each case is drawn alone, because cases may have other packages.
  let top = cases.has('') ? BAR / 2 : MARGIN;
  const places = [];
  const heads = [];
  for (const [name, some] of cases) {
    if (name) heads.push({ name, at: top - 11 });
    for (const row of some) {
      places.push({
        ...row,
        at: top,
        color: packages[row.package].kind === 'ours' ? 'var(--ours)' : 'var(--peer)',
      });
      top += BAR;
    }
    top += SPACE;
  }
  return Plot.plot({
    document: aDocument(),
    width: WIDTH,
    height: top + 10,
    marginLeft: left,
    marginRight: 60,
    marginTop: 0,
    marginBottom: 40,
    x: { domain: [0, most], nice: true, label: unit, labelAnchor: 'center', ticks: 5, tickFormat: short },
    y: { domain: [0, top - SPACE], range: [0, top - 30], axis: null },
    marks: [
      Plot.gridX({ stroke: 'var(--grid)', strokeOpacity: 1, ticks: 5 }),
      Plot.rect(places, { x1: 0, x2: 'median', y1: 'at', y2: ({ at }) => at + BAR - 5, fill: 'color' }),
      Plot.link(
        places.filter(({ low, high }) => low !== high),
        { x1: 'low', x2: 'high', y: ({ at }) => at + (BAR - 5) / 2, stroke: 'var(--spread)', strokeWidth: 1 },
      ),
      Plot.text(places, {
        x: 'high',
        y: ({ at }) => at + (BAR - 5) / 2,
        text: ({ median }) => figure(median),
        textAnchor: 'start',
        dx: 6,
      }),
      Plot.text(places, {
        frameAnchor: 'left',
        y: ({ at }) => at + (BAR - 5) / 2,
        text: labelOf,
        textAnchor: 'end',
        dx: -8,
      }),
      Plot.text(heads, {
        frameAnchor: 'left',
        y: 'at',
        text: 'name',
        textAnchor: 'start',
        lineAnchor: 'middle',
        dx: 8 - left,
        className: 'case',
      }),
    ],
  });
}

/** One line for each case, from few sessions to many, on logarithmic scales, with its name at its end. */
function lines(rows, { unit }) {
  const cases = [...casesOf(rows).keys()];
  const color = (row) => COLORS[cases.indexOf(row.case) % COLORS.length];
  const ends = apart(cases.map((name) => rows.findLast((row) => row.case === name)));
  return Plot.plot({
    document: aDocument(),
    width: WIDTH,
    height: 420,
    marginLeft: 60,
    marginRight: 170,
    marginTop: 30,
    marginBottom: 45,
    x: {
      type: 'log',
      label: 'sessions',
      labelAnchor: 'center',
      ticks: ticksOf(rows, 'x'),
      tickFormat: short,
    },
    y: { type: 'log', label: unit, ticks: powersOf(rows), tickFormat: short },
    marks: [
      Plot.gridY({ stroke: 'var(--grid)', strokeOpacity: 1, ticks: powersOf(rows) }),
      Plot.line(rows, { x: 'x', y: 'median', z: 'case', stroke: color, strokeWidth: 2 }),
      Plot.dot(rows, { x: 'x', y: 'median', fill: color, r: 3.5 }),
      Plot.text(ends, { x: 'x', y: 'label', text: 'case', textAnchor: 'start', dx: 10, fill: color }),
    ],
  });
}

/** Gives each line's end a `label`: its height, moved up until it is apart from the one below. */
function apart(ends) {
  const all = ends.map(({ median }) => Math.log(median));
  const gap = Math.max(Math.max(...all) - Math.min(...all), 1) / 18;
  let last = -Infinity;
  return ends
    .toSorted((one, other) => one.median - other.median)
    .map((row) => {
      last = Math.max(Math.log(row.median), last + gap);
      return Object.assign({}, row, { label: Math.exp(last) });
    });
}

function ticksOf(rows, name) {
  return [...new Set(rows.map((row) => row[name]))];
}

function powersOf(rows) {
  const all = rows.map(({ median }) => Math.log10(median));
  const powers = [];
  for (let power = Math.floor(Math.min(...all)); power <= Math.ceil(Math.max(...all)); power++)
    powers.push(10 ** power);
  return powers;
}

function short(value) {
  if (value >= 1e6) return `${value / 1e6} M`;
  if (value >= 1e5) return `${value / 1e3} k`;
  return value.toLocaleString('en');
}

function aDocument() {
  return parseHTML('<!doctype html><html><body></body></html>').document;
}

function svgOf(chart) {
  chart.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  chart.querySelector('style').textContent = STYLE;
  return `${chart}\n`;
}
