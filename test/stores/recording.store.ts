import {
  SessionStore,
  SessionStoreError,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
} from 'nestjs-session-stores';

/** One call that reached a store. */
export interface RecordedCall {
  operation: string;
  id?: string;
  change?: SessionChange;
  record?: SessionRecord;
}

/** A store that tells what was asked of it, and can be made slow or failing; all else is the store behind it. */
export class RecordingStore extends SessionStore {
  calls: RecordedCall[] = [];
  /** The operations that change something and that the store behind has done. */
  done: string[] = [];
  /** Waited for before each call, when set. */
  before: ((operation: string) => Promise<void>) | undefined;
  /** The operations that fail; `true` for all. */
  failing: boolean | readonly string[] = false;
  opened = 0;
  closed = 0;

  constructor(private readonly store: SessionStore) {
    super();
  }

  /** The operations asked for since the last time, and forgets them. */
  take(): string[] {
    const operations = this.calls.map(({ operation }) => operation);
    this.calls = [];
    return operations;
  }

  override async open(): Promise<void> {
    this.opened++;
    await this.store.open();
  }

  override async close(): Promise<void> {
    this.closed++;
    await this.store.close();
  }

  async create(record: SessionRecord): Promise<void> {
    await this.#pass({ operation: 'create', id: record.id, record });
    return this.#do('create', this.store.create(record));
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    await this.#pass({ operation: 'read', id });
    return this.store.read(id);
  }

  async update(
    record: SessionRecord,
    change: SessionChange,
  ): Promise<{ expiresAt: number; secretHash: string } | undefined> {
    await this.#pass({ operation: 'update', id: record.id, change });
    return this.#do('update', this.store.update(record, change));
  }

  async rotate(
    record: SessionRecord,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    await this.#pass({ operation: 'rotate', id: record.id });
    return this.#do('rotate', this.store.rotate(record, presented, secretHash, grace));
  }

  async destroy(id: string): Promise<boolean> {
    await this.#pass({ operation: 'destroy', id });
    return this.#do('destroy', this.store.destroy(id));
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    await this.#pass({ operation: 'page' });
    return this.store.page(options);
  }

  async count(group?: string): Promise<number> {
    await this.#pass({ operation: 'count' });
    return this.store.count(group);
  }

  async clear(group?: string, except?: Iterable<string>): Promise<number> {
    await this.#pass({ operation: 'clear' });
    return this.store.clear(group, except);
  }

  async #do<T>(operation: string, work: Promise<T>): Promise<T> {
    const result = await work;
    this.done.push(operation);
    return result;
  }

  async #pass(call: RecordedCall): Promise<void> {
    this.calls.push(call);
    await this.before?.(call.operation);
    const { failing } = this;
    if (failing === true || (failing !== false && failing.includes(call.operation))) {
      throw new SessionStoreError('recording', call.operation, 'told to fail: set failing to false');
    }
  }
}
