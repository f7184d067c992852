import {
  SessionStore,
  SessionStoreError,
  applyChange,
  applyRotation,
  checkChange,
  checkGroup,
  checkId,
  checkPage,
  checkRecord,
  checkRotation,
  copyData,
  exceptIds,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
} from 'nestjs-session-stores';

/** The smallest store that keeps every law: a `Map`, which all stores made with it share. */
export class MapStore extends SessionStore {
  constructor(protected readonly sessions = new Map<string, SessionRecord>()) {
    super();
  }

  async create(record: SessionRecord): Promise<void> {
    checkRecord(record);
    const found = this.live(record.id);
    if (found && found.secretHash !== record.secretHash) {
      throw new SessionStoreError('map', 'create', 'the id is in use: genid must never give one twice');
    }
    if (!found) {
      this.keep({ ...record, data: copyData(record.data), groups: [...new Set(record.groups)] });
    }
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    checkId(id);
    return this.live(id);
  }

  async update(record: SessionRecord, change: SessionChange): Promise<SessionRecord | undefined> {
    checkId(record.id);
    checkChange(change);
    const found = this.live(record.id);
    return found && this.keep(applyChange(found, change));
  }

  async rotate(
    record: SessionRecord,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    checkRotation(record.id, presented, secretHash, grace);
    const found = this.live(record.id);
    return found && this.keep(applyRotation(found, presented, secretHash, grace, Date.now()))?.secretHash;
  }

  async destroy(id: string): Promise<boolean> {
    checkId(id);
    return this.live(id) !== undefined && this.sessions.delete(id);
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    checkPage(options);
    const { group, after, limit } = options;
    const rest = this.members(group)
      .filter(({ id }) => after === undefined || id > after)
      .toSorted((one, other) => (one.id < other.id ? -1 : 1));
    const records = rest.slice(0, limit);
    return rest.length > limit ? { records, next: records.at(-1)?.id } : { records };
  }

  async count(group?: string): Promise<number> {
    if (group !== undefined) checkGroup(group);
    return this.members(group).length;
  }

  async clear(group?: string, except?: Iterable<string>): Promise<number> {
    if (group !== undefined) checkGroup(group);
    const kept = exceptIds(except);
    const ended = this.members(group).filter(({ id }) => !kept.has(id));
    for (const { id } of ended) this.sessions.delete(id);
    return ended.length;
  }

  protected live(id: string): SessionRecord | undefined {
    const found = this.sessions.get(id);
    if (found && found.expiresAt > Date.now()) return found;
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
