import type { Client } from 'hazelcast-client';

/** The members of a cluster that may own partitions. */
export function membersOf(client: Client): string[] {
  const members = client.getCluster().getMembers();
  return members.filter(({ liteMember }) => !liteMember).map(({ uuid }) => nameOf(uuid) as string);
}

/** The owner of each partition, as a client knows it; `undefined` for one that has none. */
export function ownersOf(client: Client): (string | undefined)[] {
  const service = client.getPartitionService();
  return Array.from({ length: service.getPartitionCount() }, (_, partition) =>
    nameOf(service.getPartitionOwner(partition)),
  );
}

/** The text of each member's id, because it takes longer to make than to keep. */
const names = new WeakMap<object, string>();

function nameOf(uuid: object | null | undefined): string | undefined {
  if (!uuid) return undefined;
  const known = names.get(uuid) ?? uuid.toString();
  names.set(uuid, known);
  return known;
}
