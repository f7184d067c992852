import { describe, expect, it } from 'vitest';
import { documentedRecord, jsonBlockUnder } from '../../../test/docs/stored.js';
import { fieldsOf, idsInShards, Layout, recordOf, removedFields, setFields } from './layout.js';

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

describe('the ids in shards', () => {
  it.each([
    [false, 1],
    [true, 16],
  ])('are one for each shard, in order (in a Cluster: %s)', (isCluster, count) => {
    const layout = new Layout('session:', isCluster);
    for (let seed = 0; seed < 500; seed++) {
      const ids = idsInShards(layout, (n) => `probe-${seed}-${n}`);
      expect(ids.map((id) => layout.shardOf(id))).toEqual(Array.from({ length: count }, (_, at) => at));
    }
  });
});

function pairsIn(fields: string[]): Record<string, string> {
  return Object.fromEntries(
    fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]!]] : [])),
  ) as Record<string, string>;
}
