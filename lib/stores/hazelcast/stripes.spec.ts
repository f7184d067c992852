import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { twoClients } from '../../../test/hazelcast/two.clients.js';
import { hashOf, probeKeys } from './stripes.js';

const { clients } = twoClients();

/** The owners of partitions that are spread evenly. */
function spread(members: string[], partitions: number): (string | undefined)[] {
  return Array.from({ length: partitions }, (_, partition) => members[partition % members.length]);
}

it('the hash of a key is the one by which clients find its partition', () => {
  const service = clients[0].getPartitionService();
  for (let length = 0; length < 200; length++) {
    const key = `${'k'.repeat(length)}${length}`;
    expect(Math.abs(hashOf(key)) % service.getPartitionCount(), key).toBe(service.getPartitionId(key));
  }
});

describe('keys of probes', () => {
  it.each([
    [1, 271],
    [2, 31],
    [3, 271],
    [10, 1999],
  ])('reach each of up to five threads of each of %i members with %i partitions', (count, partitions) => {
    const members = Array.from({ length: count }, (_, index) => `m${index}`);
    const owners = spread(members, partitions);
    const hashes = probeKeys(`${randomUUID()}:`, members, owners).map((key) => Math.abs(hashOf(key)));
    expect(hashes).toHaveLength(5 * count);
    for (const member of members) {
      const own = hashes.filter((hash) => owners[hash % partitions] === member);
      for (const threads of [1, 2, 3, 4, 5]) {
        expect(new Set(own.map((hash) => hash % threads)).size).toBe(threads);
      }
    }
  });

  it.each<[string, string[], (string | undefined)[]]>([
    ['a member that owns no partition', ['a', 'b'], ['a', 'a', 'a']],
    ['no member', [], [undefined]],
    ['partitions without an owner', ['a'], [undefined]],
  ])('cannot be made with %s', (_, members, owners) => {
    expect(() => probeKeys('w:', members, owners)).toThrow('a member owns no partition yet');
  });

  it('cannot be made if the partitions of a member reach only some of its threads', () => {
    const owners = spread(['a', 'b'], 60);
    expect(() => probeKeys('w:', ['a', 'b'], owners)).toThrow('a member owns too few partitions');
  });
});
