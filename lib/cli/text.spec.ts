import { describe, expect, it } from 'vitest';
import { Table, jsonLine, printable, widthOf } from './text.js';

describe('what is printed', () => {
  it.each([
    ['a terminal sequence', '\u001b[2Jgone', String.raw`\u001b[2Jgone`],
    ['a sequence of eight bits', '\u009b2J', String.raw`\u009b2J`],
    ['a line break', 'one\ntwo', String.raw`one\u000atwo`],
    ['an override of the direction of text', 'a\u202eb', String.raw`a\u202eb`],
    ['an invisible tag outside of the basic plane', '\u{e0041}', String.raw`\udb40\udc41`],
    ['a lone surrogate', 'a\ud800', 'a\ufffd'],
  ])('escapes %s', (_, text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  it('keeps letters of any language, and emoji of several characters', () => {
    const text = 'Büro 東京 👩\u200d💻 می\u200cخواهم';
    expect(printable(text)).toBe(text);
  });

  it('means the same as JSON', () => {
    const value = { label: '\u001b[31m\u009b\u202e\u2028\u{e0041}"' };
    const line = jsonLine(value);
    expect(line).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(line)).toEqual(value);
  });
});

describe('a table', () => {
  const columns = [
    { title: 'ID', of: (row: string[]) => row[0]! },
    { title: 'LABEL', of: (row: string[]) => row[1]! },
    { title: 'BYTES', of: (row: string[]) => row[2]! },
  ];

  it('aligns its columns, with titles before the first page only', () => {
    const table = new Table(columns);
    expect(table.lines([['abc', '東京', '1']], (titles) => `<${titles}>`)).toEqual([
      '<ID   LABEL  BYTES>',
      'abc  東京   1',
    ]);
    expect(table.lines([['a', 'b', '22']], (titles) => `<${titles}>`)).toEqual(['a    b      22']);
  });

  it('keeps a line break of a cell from starting a row', () => {
    const lines = new Table(columns).lines([['a\nb', '', '1']], String);
    expect(lines).toHaveLength(2);
  });
});

it.each([
  ['ada', 3],
  ['é', 1],
  ['東京', 4],
  ['👩\u200d💻', 2],
  ['e\u0301', 1],
])('the width of %s is %d', (text, width) => {
  expect(widthOf(text)).toBe(width);
});
