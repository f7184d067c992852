import {
  SessionStore,
  SessionStoreError,
  applyChange,
  applyRotation,
  checkChange,
  checkGroup,
  checkKey,
  checkPage,
  checkRecord,
  checkRotation,
  copyData,
  exceptKeys,
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
    const found = this.live(record.key);
    if (found && found.proof !== record.proof) {
      throw new SessionStoreError('map', 'create', 'the key is in use: genid must never give one twice');
    }
    if (!found) {
      this.keep({ ...record, data: copyData(record.data), groups: [...new Set(record.groups)] });
    }
  }

  async read(key: string): Promise<SessionRecord | undefined> {
    checkKey(key);
    return this.live(key);
  }

  async update(record: SessionRecord, change: SessionChange): Promise<SessionRecord | undefined> {
    checkKey(record.key);
    checkChange(change);
    const found = this.live(record.key);
    return found && this.keep(applyChange(found, change));
  }

  async rotate(
    record: SessionRecord,
    presented: string,
    proof: string,
    grace: number,
  ): Promise<string | undefined> {
    checkRotation(record.key, presented, proof, grace);
    const found = this.live(record.key);
    return found && this.keep(applyRotation(found, presented, proof, grace, Date.now()))?.proof;
  }

  async destroy(key: string): Promise<boolean> {
    checkKey(key);
    return this.live(key) !== undefined && this.sessions.delete(key);
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    checkPage(options);
    const { group, after, limit } = options;
    const rest = this.members(group)
      .filter(({ key }) => after === undefined || key > after)
      .toSorted((one, other) => (one.key < other.key ? -1 : 1));
    const records = rest.slice(0, limit);
    return rest.length > limit ? { records, next: records.at(-1)?.key } : { records };
  }

  async count(group?: string): Promise<number> {
    if (group !== undefined) checkGroup(group);
    return this.members(group).length;
  }

  async clear(group?: string, except?: Iterable<string>): Promise<number> {
    if (group !== undefined) checkGroup(group);
    const kept = exceptKeys(except);
    const ended = this.members(group).filter(({ key }) => !kept.has(key));
    for (const { key } of ended) this.sessions.delete(key);
    return ended.length;
  }

  protected live(key: string): SessionRecord | undefined {
    const found = this.sessions.get(key);
    if (found && found.expiresAt > Date.now()) return found;
    this.sessions.delete(key);
    return undefined;
  }

  protected keep(record: SessionRecord): SessionRecord | undefined {
    this.sessions.set(record.key, record);
    return this.live(record.key);
  }

  protected members(group?: string): SessionRecord[] {
    const live = [...this.sessions.keys()].flatMap((key) => this.live(key) ?? []);
    return group === undefined ? live : live.filter(({ groups }) => groups.includes(group));
  }
}
