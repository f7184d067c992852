import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Measure, Result, Row } from '../../bench/frame/results.mjs';
import { busy } from '../../bench/frame/machine.mjs';
import { alternate, rowsOf, summary } from '../../bench/figures.mjs';
import { figure, spread } from '../../bench/report/format.mjs';
import { lossesOf, lossLine } from '../../bench/report/losses.mjs';
import { pagesOf, TOPICS } from '../../bench/report/pages.mjs';

const row = (name: string, median: number, about: Partial<Row> = {}): Row => ({
  case: 'read',
  package: name,
  median,
  low: median * 0.9,
  high: median * 1.1,
  ...about,
});
const rates: Measure = {
  name: 'rates',
  title: 'Calls per second',
  unit: 'calls/s',
  better: 'higher',
  chart: 'bars',
  rows: [row('RedisStore', 1_000), row('connect-redis 8', 2_000), row('connect-redis 9', 500)],
};
const result: Result = {
  title: 'Redis',
  topic: 'calls',
  how: 'One process calls.',
  seconds: 12,
  quick: false,
  machine: {
    date: '2026-11-27',
    processors: '2 × a processor',
    memory: '8 GB',
    system: 'Linux 6',
    node: 'v20',
    load: 0.1,
  },
  servers: ['redis 7.0.15'],
  versions: { 'connect-redis 8': '8.1.0', 'connect-redis 9': '9.0.0' },
  measures: [rates],
};

describe('the figures of a bench', () => {
  it('are a median, the lowest and the highest', () => {
    expect(summary([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
  });

  it('are measured by turns, and those of the warm-up do not count', async () => {
    const order: string[] = [];
    const figures = await alternate(['a', 'b'], { rounds: 2 }, async (name) => {
      order.push(name);
      return { calls: order.length };
    });
    expect(order.join('')).toBe('baabba');
    expect(Object.fromEntries(figures)).toEqual({ a: { calls: [3, 6] }, b: { calls: [4, 5] } });
  });

  it('leave out a subject that cannot be measured', async () => {
    const figures = await alternate(['a', 'b'], { rounds: 1 }, async (name) =>
      name === 'a' ? { calls: 1 } : undefined,
    );
    expect(rowsOf(figures, 'calls', { case: 'touch' })).toEqual([
      { case: 'touch', package: 'a', median: 1, low: 1, high: 1 },
    ]);
  });

  it.each([
    [0, '0'],
    [0.012345, '0.0123'],
    [12.345, '12.3'],
    [123_456, '123,000'],
  ])('%d is shown with three significant digits, as %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });

  it('are shown without a spread if there was one round', () => {
    expect(spread({ median: 5, low: 5, high: 5 })).toBe('5');
    expect(spread({ median: 5, low: 4, high: 6 })).toBe('5 (4–6)');
  });

  it('come with a warning if other programs use the processors', () => {
    expect(busy({ load: 0 })).toBeUndefined();
    expect(busy({ load: 1_000 })).toContain('The load of this machine is 1000');
  });
});

describe('a case in which a package of this project is slower', () => {
  it('is a loss against each faster package', () => {
    expect(lossesOf(rates).map(({ theirs, ratio }) => ({ theirs: theirs.package, ratio }))).toEqual([
      { theirs: 'connect-redis 8', ratio: 0.5 },
    ]);
  });

  it('is a loss if less is better and it needs more', () => {
    const [loss] = lossesOf({ ...rates, better: 'lower' });
    expect(loss?.theirs.package).toBe('connect-redis 9');
    expect(lossLine(loss!, 'µs')).toBe('read: RedisStore 1,000 µs, connect-redis 9 500 (0.50)');
  });

  it('says if the spreads overlap', () => {
    const rows = [row('RedisStore', 1_000), row('connect-redis 8', 1_050)];
    expect(lossLine(lossesOf({ ...rates, rows })[0]!, 'calls/s')).toContain('(0.95, the spreads overlap)');
  });

  it('is compared with no baseline and with no other case', () => {
    const rows = [row('ClusterStore', 1), row('no session', 9), row('MemoryStore', 9, { case: 'write' })];
    expect(lossesOf({ ...rates, rows })).toEqual([]);
  });
});

describe('the pages of the benchmarks', () => {
  const files = pagesOf({ redis: result }, () => '<svg/>');

  it('are an index, a page for each topic with figures, and the charts', () => {
    expect(Object.keys(files)).toEqual(['index.md', 'calls.md', 'charts/redis-rates.svg']);
  });

  it('link each page from the index, and each chart from its page', () => {
    expect(files['index.md']).toContain('- [Store calls](calls.md): ');
    expect(files['calls.md']).toContain('![Calls per second, calls/s](charts/redis-rates.svg)');
  });

  it('name the machine, the servers, the guarantees and the settings of the packages', () => {
    expect(files['index.md']).toContain(
      '| redis | 2026-11-27 | 2 × a processor | 8 GB | Linux 6 | v20 | redis 7.0.15 | 0.1 | 12 |',
    );
    expect(files['calls.md']).toContain('| read | RedisStore | all | 1,000 (900–1,100) |');
    expect(files['calls.md']).toContain('|  | connect-redis 8 | shared | 2,000 (1,800–2,200) |');
    expect(files['calls.md']).toContain('| connect-redis 9 | 9.0.0 | express-session with resave: false');
  });

  it('have a line for each loss, on the index and below the figures', () => {
    expect(files['index.md']).toContain('- [Calls per second](calls.md#calls-per-second): read **0.50**');
    expect(files['calls.md']).toContain('- read: RedisStore 1,000 calls/s, connect-redis 8 2,000 (0.50)');
  });

  it('have titles of their own, because the index links to them', () => {
    const other = { ...result, measures: [{ ...rates, rows: [] }] };
    expect(() => pagesOf({ redis: result, mongo: other }, () => '')).toThrow(
      'calls.md has two measures with the title Calls per second',
    );
  });

  it('have a column for each number of sessions', () => {
    const rows = [row('RedisStore', 5, { x: 1_000 }), row('RedisStore', 6, { x: 1_000_000 })];
    const growing: Result = { ...result, topic: 'growth', measures: [{ ...rates, chart: 'lines', rows }] };
    expect(pagesOf({ growth: growing }, () => '')['growth.md']).toContain(
      '| calls/s | 1,000 sessions | 1,000,000 sessions |\n| --- | --- | --- |\n| read | 5 (4.5–5.5) | 6 (5.4–6.6) |',
    );
  });

  it('say why a figure is missing', () => {
    const rows = [{ case: '', package: 'RedisStore', note: 'out of memory' }];
    const failed = { ...result, measures: [{ ...rates, rows }] };
    expect(pagesOf({ redis: failed }, () => '')['calls.md']).toContain('| RedisStore | out of memory |');
  });

  it('mark figures of --quick', () => {
    expect(pagesOf({ redis: { ...result, quick: true } }, () => '')['index.md']).toContain('12, `--quick`');
  });

  it('exist for the topic of every bench', () => {
    const folder = new URL('../../bench/', import.meta.url);
    const topics = readdirSync(folder)
      .filter((file) => file.endsWith('.bench.mjs'))
      .map((file) => /export const topic = '(\w+)'/.exec(readFileSync(new URL(file, folder), 'utf8'))?.[1]);
    expect(topics.filter((topic) => topic === undefined || !(topic in TOPICS))).toEqual([]);
  });
});
