import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { twoClients } from '../../../test/hazelcast/two.clients.js';
import { areInPlace, hashOf, probesFor } from './stripes.js';

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

describe('probes', () => {
  it.each([
    [1, 271],
    [2, 31],
    [3, 271],
    [10, 1999],
  ])('reach each of up to five threads of each of %i members with %i partitions', (count, partitions) => {
    const members = Array.from({ length: count }, (_, index) => `m${index}`);
    const owners = spread(members, partitions);
    const probes = probesFor(`${randomUUID()}:`, members, owners);
    expect(probes).toHaveLength(5 * count);
    for (const { key, member, partition } of probes) {
      expect(Math.abs(hashOf(key)) % partitions).toBe(partition);
      expect(owners[partition]).toBe(member);
    }
    for (const member of members) {
      const hashes = probes
        .filter((probe) => probe.member === member)
        .map(({ key }) => Math.abs(hashOf(key)));
      for (const threads of [1, 2, 3, 4, 5]) {
        expect(new Set(hashes.map((hash) => hash % threads)).size).toBe(threads);
      }
    }
  });

  it.each<[string, string[], (string | undefined)[]]>([
    ['a member that owns no partition', ['a', 'b'], ['a', 'a', 'a']],
    ['no member', [], [undefined]],
    ['partitions without an owner', ['a'], [undefined]],
  ])('cannot be made with %s', (_, members, owners) => {
    expect(() => probesFor('w:', members, owners)).toThrow('a member owns no partition yet');
  });

  it('cannot be made if the partitions of a member reach only some of its threads', () => {
    const owners = spread(['a', 'b'], 60);
    expect(() => probesFor('w:', ['a', 'b'], owners)).toThrow('a member owns too few partitions');
  });

  it('are in place until a partition moves, or a member comes or goes', () => {
    const members = ['a', 'b'];
    const owners = spread(members, 31);
    const probes = probesFor('w:', members, owners);
    expect(areInPlace(probes, members, owners)).toBe(true);
    expect(areInPlace(probes, members, owners.with(probes[0]!.partition, undefined))).toBe(false);
    expect(areInPlace(probes, ['a', 'b', 'c'], owners)).toBe(false);
    expect(areInPlace(probes, ['a'], owners)).toBe(false);
    expect(areInPlace([], members, owners)).toBe(false);
  });
});
