import {
  SessionStore,
  TOMBSTONE_LIFETIME,
  applyChange,
  applyRotation,
  copyData,
  updateOf,
  type SessionChange,
  type SessionFeedSink,
  type SessionFeedSource,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
  type SessionStoreCapabilities,
  type SessionUpdate,
} from 'nestjs-session-stores/store';

export interface Tombstone {
  isRegenerated: boolean;
  groups: string[];
  until: number;
}

/** Where the stores that share a map announce its changes. */
const listeners = new WeakMap<object, Set<SessionFeedSink>>();

/** The smallest store that keeps every law: a ``Map`s, which all stores made with them share. */
export class MapStore extends SessionStore {
  constructor(
    protected readonly sessions = new Map<string, SessionRecord>(),
    protected readonly tombstones = new Map<string, Tombstone>(),
  ) {
    super('map');
    if (!listeners.has(sessions)) listeners.set(sessions, new Set());
  }

  override get capabilities(): SessionStoreCapabilities {
    return { secrets: true, createdAt: true, feed: true };
  }

  protected override async doWatch(sink: SessionFeedSink): Promise<SessionFeedSource> {
    const all = listeners.get(this.sessions)!;
    all.add(sink);
    // Each change is announced before its call resolves.
    return { probe: async () => {}, close: () => void all.delete(sink) };
  }

  protected announce(type: 'changed' | 'rotated' | 'ended', id: string): void {
    for (const sink of listeners.get(this.sessions)!) sink.heard(type, [id]);
  }

  protected override doCreate(record: SessionRecord): boolean {
    const found = this.live(record.id);
    if (found) return found.secretHash === record.secretHash;
    if (this.tombstone(record.id)) return false;
    if (record.expiresAt > this.now())
      this.keep({ ...record, data: copyData(record.data), groups: [...new Set(record.groups)] });
    return true;
  }

  protected override doRead(id: string): SessionRecord | undefined {
    return this.live(id);
  }

  protected override doUpdate({ id }: SessionRef, change: SessionChange): SessionUpdate | undefined {
    const found = this.live(id);
    const next = found && this.keep(applyChange(found, change), 'changed');
    return next && updateOf(found!, change, next);
  }

  protected override doRotate(
    { id }: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): string | undefined {
    const found = this.live(id);
    if (!found) return undefined;
    const next = applyRotation(found, presented, secretHash, grace, this.now());
    return this.keep(next, next === found ? undefined : 'rotated')?.secretHash;
  }

  protected override doDestroy(id: string): boolean {
    const found = this.live(id);
    if (found || this.tombstone(id)) this.bury(id);
    return found !== undefined;
  }

  protected override doRegenerate(id: string): boolean {
    const found = this.live(id);
    if (found) this.bury(id, found.groups);
    return !this.doHaveEnded([id]);
  }

  protected override doHaveEnded(ids: string[]): boolean {
    return ids.some((id) => this.tombstone(id)?.isRegenerated === false);
  }

  protected override doPage({ group, after, limit }: SessionPageOptions): SessionPage {
    const rest = this.members(group)
      .filter(({ id }) => after === undefined || id > after)
      .toSorted((one, other) => (one.id < other.id ? -1 : 1));
    const records = rest.slice(0, limit);
    return rest.length > limit ? { records, next: records.at(-1)?.id } : { records };
  }

  protected override doCount(group: string | undefined): number {
    return this.members(group).length;
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): number {
    const ended = this.members(group).filter(({ id }) => !except.has(id));
    for (const { id } of ended) this.bury(id);
    const kept = new Set(except);
    for (const id of except) for (const origin of this.live(id)?.from ?? []) kept.add(origin);
    for (const id of [...this.tombstones.keys()].filter((one) => !kept.has(one))) {
      const found = this.tombstone(id);
      const isMember = group === undefined || found?.groups.includes(group);
      if (found?.isRegenerated && isMember) this.bury(id);
    }
    // As all of this is one step, no member can have been created meanwhile.
    return ended.length;
  }

  protected live(id: string): SessionRecord | undefined {
    const found = this.sessions.get(id);
    if (found && found.expiresAt > this.now()) return found;
    this.sessions.delete(id);
    return undefined;
  }

  protected keep(record: SessionRecord, as?: 'changed' | 'rotated'): SessionRecord | undefined {
    this.sessions.set(record.id, record);
    if (record.expiresAt <= this.now()) this.bury(record.id);
    else if (as) this.announce(as, record.id);
    return this.live(record.id);
  }

  /** Puts a tombstone in the place of a session: with its groups if it was regenerated. */
  protected bury(id: string, groups?: string[]): void {
    this.sessions.delete(id);
    const until = this.now() + TOMBSTONE_LIFETIME;
    for (const old of this.tombstones.keys()) if (this.tombstone(old)) break;
    this.tombstones.delete(id);
    this.tombstones.set(id, { isRegenerated: groups !== undefined, groups: groups ?? [], until });
    this.announce('ended', id);
  }

  protected tombstone(id: string): Tombstone | undefined {
    const found = this.tombstones.get(id);
    if (found && found.until > this.now()) return found;
    this.tombstones.delete(id);
    return undefined;
  }

  protected members(group?: string): SessionRecord[] {
    const live = [...this.sessions.keys()].flatMap((id) => this.live(id) ?? []);
    return group === undefined ? live : live.filter(({ groups }) => groups.includes(group));
  }
}
