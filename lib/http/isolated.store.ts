import { NO_DEADLINE } from '../contract/deadline.js';
import type { SessionStoreCapabilities } from '../contract/capabilities.js';
import {
  applyChange,
  applyRotation,
  updateOf,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
  type SessionUpdate,
} from '../contract/record.js';
import { SessionStore } from '../contract/store.js';

/**
 * The sessions of one isolated request. They end with it, so that nothing is stored that no client can use. The clock and
 * the capabilities are those of the app's store.
 */
export class IsolatedStore extends SessionStore {
  readonly #records = new Map<string, SessionRecord>();
  readonly #appStore: SessionStore;

  constructor(appStore: SessionStore) {
    super('isolated', NO_DEADLINE);
    this.#appStore = appStore;
  }

  override get capabilities(): SessionStoreCapabilities {
    return this.#appStore.capabilities;
  }

  override now(): number {
    return this.#appStore.now();
  }

  /** Moves its sessions to the store of the app. */
  async moveOut(): Promise<void> {
    for (const record of this.#members()) await this.#appStore.create(record);
    this.#records.clear();
  }

  protected override doCreate(record: SessionRecord): boolean {
    this.#records.set(record.id, record);
    return true;
  }

  protected override doRead(id: string): SessionRecord | undefined {
    const record = this.#records.get(id);
    return record && record.expiresAt > this.now() ? record : undefined;
  }

  protected override doUpdate({ id }: SessionRef, change: SessionChange): SessionUpdate | undefined {
    const before = this.doRead(id);
    if (!before) return undefined;
    const after = applyChange(before, change);
    this.#records.set(id, after);
    return this.doRead(id) && updateOf(before, change, after);
  }

  protected override doRotate(
    { id }: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): string | undefined {
    const before = this.doRead(id);
    if (!before) return undefined;
    const after = applyRotation(before, presented, secretHash, grace, this.now());
    this.#records.set(id, after);
    return after.secretHash;
  }

  protected override doDestroy(id: string): boolean {
    const isLive = this.doRead(id) !== undefined;
    this.#records.delete(id);
    return isLive;
  }

  protected override doRegenerate(id: string): boolean {
    this.#records.delete(id);
    return true;
  }

  /** Nothing but the request itself can end its sessions. */
  protected override doHaveEnded(): boolean {
    return false;
  }

  protected override doPage({ group }: SessionPageOptions): SessionPage {
    return { records: this.#members(group) };
  }

  protected override doCount(group: string | undefined): number {
    return this.#members(group).length;
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): number {
    const ended = this.#members(group).filter(({ id }) => !except.has(id));
    for (const { id } of ended) this.#records.delete(id);
    return ended.length;
  }

  #members(group?: string): SessionRecord[] {
    const live = [...this.#records.keys()].flatMap((id) => this.doRead(id) ?? []);
    return group === undefined ? live : live.filter(({ groups }) => groups.includes(group));
  }
}
