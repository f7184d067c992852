import type { SessionRecord } from 'nestjs-session-stores/store';
import type { HazelcastStoreOptions, ReplicatedSession } from 'nestjs-session-stores/stores/hazelcast';

/** A bean that throws for items that are spoiled. */
export class Cart {
  readonly items: unknown;
  constructor({ data }: ReplicatedSession) {
    if (data['items'] === 'spoiled') throw new RangeError('no such items');
    this.items = data['items'] ?? [];
  }
}

/** A bean that makes no entry for a session without a user. */
const whoOf = ({ id, data, groups, createdAt }: ReplicatedSession): object | undefined =>
  data['user'] === undefined ? undefined : { who: data['user'], id, groups, createdAt };

/** The maps of a store with both beans. */
export const maps: NonNullable<HazelcastStoreOptions['maps']> = [
  { mapName: 'Sessions' },
  { mapName: 'Carts', bean: Cart },
  { mapName: 'Who', bean: whoOf },
];

export const onlyCarts: typeof maps = [maps[0], maps[1]!];

/** A session for which both beans make an entry. */
export const anyone: Partial<SessionRecord> = {
  data: { items: '[1,2]', user: '"ada"', cookie: '{}', damaged: '{' },
  groups: ['user:ada'],
};
