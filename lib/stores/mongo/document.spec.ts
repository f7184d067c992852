import { expect, it } from 'vitest';
import { documentedRecord, jsonBlockUnder } from '../../../test/docs/stored.js';
import { documentOf, fieldOf, recordOf } from './document.js';

it('the document of a session is the one that docs/reference/stored-formats.md shows', () => {
  const document = documentOf(documentedRecord());
  expect(JSON.parse(JSON.stringify(document))).toEqual(jsonBlockUnder('MongoDB'));
  expect(recordOf(document)).toEqual(documentedRecord());
});

it.each([
  ['', '%'],
  ['a.b%c', 'a%2eb%25c'],
  ['\0', '%00'],
  ['$set', '%24set'],
  ['a$', 'a$'],
  ['__proto__', '%5f_proto__'],
  ['_bsontype', '%5fbsontype'],
  ['_other', '_other'],
])('the name %j is the field %j', (name, field) => {
  expect(fieldOf(name)).toBe(field);
});
