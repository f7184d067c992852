import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pageNamed, root } from '../docs/pages.js';

const { text } = pageNamed('docs/guide/doctor.md');

/** The cells of each row of the tables of subjects. */
const rows = text
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter((cells) => cells.length === 6)
  .map(([, subject, ...cells]) => ({ subject: subject!, cells }))
  .filter(({ subject }) => subject !== 'subject' && !/^-+$/.test(subject));

/** The subjects of all rooms, by the files that name them. */
const texts = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('/subjects.ts'))
  .map((file) => readFileSync(join(root, 'lib', file), 'utf8'));
const subjects = Array.from(texts.join('\n').matchAll(/^ {2}\w+: '(.+)',$/gm), ([, subject]) => subject!);

it('the page on the doctor has a row for each subject of the code, and no other', () => {
  expect(subjects.length).toBeGreaterThan(40);
  const named = [...rows.map(({ subject }) => subject), 'Store'];
  expect(named.toSorted()).toEqual(subjects.toSorted());
});

it.each(rows)('the row of $subject says what is examined', ({ cells }) => {
  expect(cells[0]).not.toBe('');
});
