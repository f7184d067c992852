import {
  SessionStoreDecorator,
  SessionStoreError,
  type Deadline,
  type SessionChange,
  type SessionFeedListener,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
  type SessionUpdate,
  type SessionWatch,
} from 'nestjs-session-stores/store';

/** One call that reached a store. */
export interface RecordedCall {
  operation: string;
  id?: string;
  change?: SessionChange;
  record?: SessionRecord;
}

/** Records what a store is called for, and can be made slow or failing; all else is the store inside. */
export class RecordingStore extends SessionStoreDecorator {
  calls: RecordedCall[] = [];
  /** The operations that change something and that the store inside has done. */
  done: string[] = [];
  /** Waited for before each call, when set. */
  before: ((operation: string, id?: string) => Promise<void>) | undefined;
  /** The operations that fail; `true` for all. */
  failing: boolean | readonly string[] = false;
  /** Whether its feed is watched; while it begins, the sessions of open connections are read again. */
  watched: 'not' | 'beginning' | 'live' = 'not';
  opened = 0;
  closed = 0;

  /** The operations that were called since the last time, and forgets them. */
  take(): string[] {
    const operations = this.calls.map(({ operation }) => operation);
    this.calls = [];
    return operations;
  }

  override async open(): Promise<void> {
    this.opened++;
    await super.open();
  }

  override async close(): Promise<void> {
    this.closed++;
    await super.close();
  }

  protected override async doCreate(record: SessionRecord): Promise<boolean> {
    await this.#pass({ operation: 'create', id: record.id, record });
    return this.#do('create', super.doCreate(record));
  }

  protected override async doAdopt(record: SessionRecord): Promise<void> {
    await this.#pass({ operation: 'adopt', id: record.id, record });
    return this.#do('adopt', super.doAdopt(record));
  }

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    await this.#pass({ operation: 'read', id });
    return super.doRead(id);
  }

  protected override async doUpdate(
    ref: SessionRef,
    change: SessionChange,
  ): Promise<SessionUpdate | undefined> {
    await this.#pass({ operation: 'update', id: ref.id, change });
    return this.#do('update', super.doUpdate(ref, change));
  }

  protected override async doRotate(
    ref: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    await this.#pass({ operation: 'rotate', id: ref.id });
    return this.#do('rotate', super.doRotate(ref, presented, secretHash, grace));
  }

  protected override async doDestroy(id: string): Promise<boolean> {
    await this.#pass({ operation: 'destroy', id });
    return this.#do('destroy', super.doDestroy(id));
  }

  protected override async doRegenerate(id: string, deadline: Deadline, hint?: unknown): Promise<boolean> {
    await this.#pass({ operation: 'regenerate', id });
    return this.#do('regenerate', super.doRegenerate(id, deadline, hint));
  }

  protected override async doHaveEnded(ids: string[]): Promise<boolean> {
    await this.#pass({ operation: 'haveEnded' });
    return super.doHaveEnded(ids);
  }

  protected override async doPage(options: SessionPageOptions): Promise<SessionPage> {
    await this.#pass({ operation: 'page' });
    return super.doPage(options);
  }

  protected override async doCount(group: string | undefined): Promise<number> {
    await this.#pass({ operation: 'count' });
    return super.doCount(group);
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    await this.#pass({ operation: 'clear' });
    return super.doClear(group, except);
  }

  override watch(listener: SessionFeedListener): Promise<SessionWatch> {
    this.watched = 'beginning';
    return super.watch((event) => {
      listener(event);
      if (event.type === 'live') this.watched = 'live';
    });
  }

  async #do<T>(operation: string, work: Promise<T>): Promise<T> {
    const result = await work;
    this.done.push(operation);
    return result;
  }

  async #pass(call: RecordedCall): Promise<void> {
    this.calls.push(call);
    await this.before?.(call.operation, call.id);
    const { failing } = this;
    if (failing === true || (failing !== false && failing.includes(call.operation))) {
      throw new SessionStoreError('recording', call.operation, 'made to fail: set failing to false', {
        cause: new Error('DOWN the recording store is down'),
      });
    }
  }
}
