import { expect, it } from 'vitest';
import { Mask } from './mask.js';

const mask = new Mask();
mask.add('redis://app:s%40fe-word@localhost:6379');
mask.add('mongodb://app:not/a/valid/url@localhost');

it.each([
  ['a URL', 'cannot reach redis://app:s%40fe-word@localhost:6379/1', 'cannot reach ***/1'],
  ['another URL', 'see mongodb://ada:pass@db1,db2/app, please', 'see mongodb://***@db1,db2/app, please'],
  ['a URL without a user', "invalid 'redis://:pass@localhost'", "invalid 'redis://***@localhost'"],
  ['a password as it is written in the URL', 'wrong password s%40fe-word', 'wrong password ***'],
  ['a password as the server knows it', 'wrong password s@fe-word', 'wrong password ***'],
  ['the password of an invalid URL', 'cannot parse not/a/valid/url', 'cannot parse ***'],
])('hides %s', (_, text, expected) => {
  expect(mask.hide(text)).toBe(expected);
});

it('keeps the form of a URL in an error', () => {
  const form = 'write redis://[[user]:password@]host[:port]';
  expect(mask.hide(form)).toBe(form);
});

it('keeps a URL without credentials', () => {
  const plain = new Mask();
  plain.add('redis://localhost:6379');
  expect(plain.hide('cannot reach redis://localhost:6379')).toBe('cannot reach redis://localhost:6379');
});
