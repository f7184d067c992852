import { setTimeout as wait } from 'node:timers/promises';
import type { SessionStore } from 'nestjs-session-stores';
import {
  SessionStoreDecorator,
  SessionStoreError,
  type Deadline,
  type SessionChange,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
} from 'nestjs-session-stores/store';
import type { StoreOutage } from './outage.js';

/** A store that can be put out of reach: each call then fails as it would then, after the timeout. */
export class OutageStore extends SessionStoreDecorator {
  constructor(
    store: SessionStore,
    private readonly outage: StoreOutage,
  ) {
    super(store);
  }

  private async unlessOut<T>(operation: string, run: () => T | PromiseLike<T>): Promise<T> {
    if (!this.outage.isOn) return run();
    await wait(this.timeout);
    throw new SessionStoreError(
      'outage',
      operation,
      `timed out after ${this.timeout} ms, on purpose: see /admin`,
    );
  }

  protected override doCreate(record: SessionRecord) {
    return this.unlessOut('create', () => super.doCreate(record));
  }

  protected override doRead(id: string) {
    return this.unlessOut('read', () => super.doRead(id));
  }

  protected override doUpdate(record: SessionRef, change: SessionChange) {
    return this.unlessOut('update', () => super.doUpdate(record, change));
  }

  protected override doRotate(record: SessionRef, presented: string, secretHash: string, grace: number) {
    return this.unlessOut('rotate', () => super.doRotate(record, presented, secretHash, grace));
  }

  protected override doDestroy(id: string) {
    return this.unlessOut('destroy', () => super.doDestroy(id));
  }

  protected override doRegenerate(id: string, deadline?: Deadline, hint?: unknown) {
    return this.unlessOut('regenerate', () => super.doRegenerate(id, deadline, hint));
  }

  protected override doHaveEnded(ids: string[]) {
    return this.unlessOut('haveEnded', () => super.doHaveEnded(ids));
  }

  protected override doPage(options: SessionPageOptions) {
    return this.unlessOut('page', () => super.doPage(options));
  }

  protected override doCount(group: string | undefined) {
    return this.unlessOut('count', () => super.doCount(group));
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>) {
    return this.unlessOut('clear', () => super.doClear(group, except));
  }
}
