import type { ConfigService } from '@nestjs/config';
import { HazelcastStore, type ReplicatedSession } from 'nestjs-session-stores/stores/hazelcast';

/** What other programs see of a session in the map `Visitors`; they need not know what a session is. */
class Visitor {
  /** `null` until somebody logs in. */
  readonly user: string | null;
  readonly visits: number;

  constructor({ data }: ReplicatedSession) {
    this.user = data['user'] ?? null;
    this.visits = data['visits'] ?? 0;
  }
}

export function hazelcastStore(config: ConfigService): HazelcastStore {
  return new HazelcastStore({
    config: {
      clusterName: config.get('HAZELCAST_CLUSTER_NAME', 'dev'),
      network: { clusterMembers: config.get('HAZELCAST_ADDRESSES', '127.0.0.1:5701').split(',') },
    },
    maps: [{ mapName: 'Sessions' }, { mapName: 'Visitors', bean: Visitor }],
  });
}
