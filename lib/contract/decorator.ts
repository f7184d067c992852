import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from './record.js';
import { NO_DEADLINE } from './deadline.js';
import { SessionStore, type SessionStoreCapabilities } from './store.js';

/**
 * A store around another: forwards every call, the clock and the capabilities. Override what should be different, and
 * keep the `hint` of every record that is copied.
 *
 * It has no deadline of its own, because the store inside has one, and passes on that store's errors.
 */
export class SessionStoreDecorator extends SessionStore {
  /** @param store the store inside: opened and closed with the decorator */
  constructor(protected readonly store: SessionStore) {
    super('decorator', NO_DEADLINE);
  }

  override get capabilities(): SessionStoreCapabilities {
    return this.store.capabilities;
  }

  override get timeout(): number {
    return this.store.timeout;
  }

  override now(): number {
    return this.store.now();
  }

  protected override connect(): Promise<void> {
    return this.store.open();
  }

  protected override disconnect(): Promise<void> {
    return this.store.close();
  }

  protected override async doCreate(record: SessionRecord): Promise<boolean> {
    // An id in use is the other store's error.
    await this.store.create(record);
    return true;
  }

  protected override doRead(id: string): Promise<SessionRecord | undefined> {
    return this.store.read(id);
  }

  protected override doUpdate(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined> {
    return this.store.update(record, change);
  }

  protected override doRotate(
    record: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    return this.store.rotate(record, presented, secretHash, grace);
  }

  protected override doDestroy(id: string): Promise<boolean> {
    return this.store.destroy(id);
  }

  protected override doPage(options: SessionPageOptions): Promise<SessionPage> {
    return this.store.page(options);
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return this.store.count(group);
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    return this.store.clear(group, except);
  }
}
