import { SessionTooLargeError } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

/** A store whose `read` fails, whose `create` finds each session too large, and whose `destroy` never settles. */
export class FailingStore extends ClusterStore {
  protected override doRead(): never {
    throw new Error('connect ECONNREFUSED 10.0.0.7:6379');
  }

  protected override doCreate(): never {
    throw new SessionTooLargeError('too large');
  }

  protected override doDestroy(): Promise<boolean> {
    return new Promise(() => {});
  }
}
