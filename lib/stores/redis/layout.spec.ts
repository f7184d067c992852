import { describe, expect, it } from 'vitest';
import { documentedRecord, jsonBlockUnder } from '../../../test/docs/stored.js';
import { fieldsOf, recordOf, removedFields, setFields } from './layout.js';

describe('the fields of a session', () => {
  it('are those that docs/reference/stored-formats.md shows', () => {
    const fields = fieldsOf(documentedRecord()).map(String);
    expect(pairsIn(fields)).toEqual(jsonBlockUnder('Redis'));
    expect(recordOf(documentedRecord().id, fields)).toEqual(documentedRecord());
  });

  it('hold a value of more than 1 000 UTF-16 units in a field of its own', () => {
    const longest = 'x'.repeat(1000);
    const fields = (text: string) => pairsIn(fieldsOf({ ...documentedRecord(), data: { text } }).map(String));
    expect(fields(longest)[':text']).toBeUndefined();
    expect(fields(`${longest}x`)[':text']).toBe(`=${longest}x`);
  });

  it('that are written later override the pack, and an empty one removes its property', () => {
    const fields = fieldsOf(documentedRecord()).map(String);
    expect(setFields({ set: { cart: '[]' } })).toEqual([':cart', '=[]']);
    expect(recordOf('id', [...fields, ':cart', '=[]'])?.data['cart']).toBe('[]');
    expect(removedFields(['cart'])).toEqual([':cart', '"cart"']);
    expect(Object.keys(recordOf('id', [...fields, ':cart', ''])!.data)).toEqual(['user']);
  });

  it('hold the previous secret hash as its instants, then the hash', () => {
    const previous = { hash: 'h', replacedAt: 5, grace: 30_000, since: 4 };
    const fields = pairsIn(fieldsOf({ ...documentedRecord(), previous }).map(String));
    expect(fields['previous']).toBe('5:30000::4:h');
  });
});

function pairsIn(fields: string[]): Record<string, string> {
  return Object.fromEntries(
    fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]!]] : [])),
  ) as Record<string, string>;
}
