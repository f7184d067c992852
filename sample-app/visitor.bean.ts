import type { ReplicatedSession } from 'nestjs-session-stores/stores/hazelcast';

/** What other programs see of a session, in the map `Visitors`. */
export class Visitor {
  /** `null` until somebody logs in. */
  readonly user: string | null;
  readonly visits: number;

  constructor({ data }: ReplicatedSession) {
    this.user = data['user'] ?? null;
    this.visits = data['visits'] ?? 0;
  }
}
