import {
  SessionStore,
  applyChange,
  applyRotation,
  copyData,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
} from 'nestjs-session-stores/store';

/** The smallest store that keeps every law: a `Map`, which all stores made with it share. */
export class MapStore extends SessionStore {
  constructor(protected readonly sessions = new Map<string, SessionRecord>()) {
    super('map');
  }

  protected override doCreate(record: SessionRecord): boolean {
    const found = this.live(record.id);
    if (found) return found.secretHash === record.secretHash;
    this.keep({ ...record, data: copyData(record.data), groups: [...new Set(record.groups)] });
    return true;
  }

  protected override doRead(id: string): SessionRecord | undefined {
    return this.live(id);
  }

  protected override doUpdate({ id }: SessionRef, change: SessionChange): SessionRecord | undefined {
    const found = this.live(id);
    return found && this.keep(applyChange(found, change));
  }

  protected override doRotate(
    { id }: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): string | undefined {
    const found = this.live(id);
    return found && this.keep(applyRotation(found, presented, secretHash, grace, this.now()))?.secretHash;
  }

  protected override doDestroy(id: string): boolean {
    return this.live(id) !== undefined && this.sessions.delete(id);
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
    for (const { id } of ended) this.sessions.delete(id);
    return ended.length;
  }

  protected live(id: string): SessionRecord | undefined {
    const found = this.sessions.get(id);
    if (found && found.expiresAt > this.now()) return found;
    this.sessions.delete(id);
    return undefined;
  }

  protected keep(record: SessionRecord): SessionRecord | undefined {
    this.sessions.set(record.id, record);
    return this.live(record.id);
  }

  protected members(group?: string): SessionRecord[] {
    const live = [...this.sessions.keys()].flatMap((id) => this.live(id) ?? []);
    return group === undefined ? live : live.filter(({ groups }) => groups.includes(group));
  }
}
