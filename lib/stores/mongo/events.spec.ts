import { expect, it } from 'vitest';
import { announced, isEnd, type ChangeEvent } from './events.js';

const update = (...fields: string[]): ChangeEvent => updateOf('k', ...fields);

function updateOf(id: unknown, ...fields: string[]): ChangeEvent {
  return { type: 'update', id, fields };
}

it.each<[string, ChangeEvent, string | undefined]>([
  ['data', update('data'), 'changed'],
  ['groups', update('groups'), 'changed'],
  ['the expiry', update('expiresAt'), 'changed'],
  ['the previous secret', update('previous'), 'changed'],
  ['the secret', update('secretHash'), 'rotated'],
  ['the secret and the previous one', update('previous', 'secretHash'), 'rotated'],
  ['the secret and data', update('data', 'previous', 'secretHash'), 'changed'],
  ['the secret and the creation', update('createdAt', 'secretHash'), 'changed'],
  ['the mark', update('nestjsSession', 'until', 'data'), 'ended'],
  ['the mark of a tombstone', update('groups', 'nestjsSession'), 'ended'],
  ['the end of a tombstone', update('until'), 'ended'],
  ['fields of other programs', update('session', 'expires'), undefined],
  ['nothing', update(), undefined],
])('an update of %s is announced as what it did', (_, event, type) => {
  expect(announced([event])).toEqual(type === undefined ? [] : [{ type, ids: ['k'] }]);
});

it.each<[string, ChangeEvent, string]>([
  ['a session', { type: 'replace', id: 'k', fields: ['_id', 'nestjsSession', 'secretHash'] }, 'changed'],
  ['a tombstone', { type: 'replace', id: 'k', fields: ['_id', 'nestjsSession', 'until'] }, 'ended'],
  ['a document of unknown content', { type: 'replace', id: 'k' }, 'changed'],
])('a replacement by %s is announced', (_, event, type) => {
  expect(announced([event])).toEqual([{ type, ids: ['k'] }]);
});

it('a deletion is announced as an end', () => {
  expect(announced([{ type: 'delete', id: 'k', fields: [] }])).toEqual([{ type: 'ended', ids: ['k'] }]);
});

it('documents whose ids are not strings are not announced', () => {
  expect(announced([updateOf(7, 'data')])).toEqual([]);
});

it('events of one kind that follow each other are announced as one, and the order is kept', () => {
  const events = ['data', 'groups', 'until', 'data'].map((field, at) => updateOf(`${at}`, field));
  expect(announced(events)).toEqual([
    { type: 'changed', ids: ['0', '1'] },
    { type: 'ended', ids: ['2'] },
    { type: 'changed', ids: ['3'] },
  ]);
});

it.each(['drop', 'rename', 'dropDatabase', 'invalidate'])('`%s` is the end of the collection', (type) => {
  expect(isEnd({ type })).toBe(true);
});

it.each(['update', 'replace', 'delete'])('`%s` is not the end of the collection', (type) => {
  expect(isEnd({ type })).toBe(false);
});
