import type { SessionRecord, SessionStore } from 'nestjs-session-stores/store';
import { aRecord } from '../record.js';
import type { Outcome } from './simulation.js';

const GRACE = 30_000;

/** How the sessions of a simulation may be used. */
export interface Uses {
  /** Whether they come from an express-session store, which keeps neither groups nor secrets. */
  isForeign: boolean;
  /** Whether every process moves sessions. */
  areAllLate: boolean;
}

/** The requests that use one session, and what must be true of it after them. */
export class SimulatedUse {
  /** How many calls that end the session have been sent, and how many of them have resolved. */
  #ending = 0;
  #ended = 0;
  /** Whether it must not be seen any more. */
  #isGone = false;
  /** Whether its group was cleared. */
  #isCleared = false;
  readonly #acknowledged = new Set<string>();
  readonly #joined = new Set<string>();
  readonly #left = new Set<string>();
  readonly #successors: SessionRecord[] = [];
  /** The secret hash of the client's cookie. */
  #secretHash: string;
  #expiresAt: number | undefined;

  constructor(
    private readonly record: SessionRecord,
    private readonly outcome: Outcome,
    private readonly uses: Uses,
  ) {
    this.#secretHash = record.secretHash;
  }

  async change(store: SessionStore, name: string): Promise<void> {
    const found = await this.#read(store);
    if (!found) return;
    const updated = await store.update(found, { set: { [name]: '1' } });
    if (updated) this.#acknowledged.add(name);
    else if (this.#ending === 0) this.outcome.missed++;
  }

  /** Rotates the secret, joins a group and may leave it again, or sets the expiry; each of them at most as the record allows. */
  async act(store: SessionStore, name: string, what: number): Promise<void> {
    if (this.uses.isForeign && !this.uses.areAllLate) return;
    if (what === 0) return this.#rotate(store, name);
    if (what === 1) return this.#join(store, name);
    if (this.#expiresAt !== undefined) return;
    const expiresAt = (this.#expiresAt = Date.now() + 7_200_000);
    const found = await this.#read(store);
    const updated = found && (await store.update(found, { expiresAt }));
    if (!updated) this.#expiresAt = undefined;
  }

  /** A second rotation would be one that the client has not heard of. */
  async #rotate(store: SessionStore, name: string): Promise<void> {
    if (this.#secretHash !== this.record.secretHash) return;
    const found = await this.#read(store);
    const current = found && (await store.rotate(found, this.record.secretHash, name, GRACE));
    if (current === name) this.#secretHash = name;
  }

  async #join(store: SessionStore, name: string): Promise<void> {
    const found = await this.#read(store);
    if (!found || !(await store.update(found, { join: [name] }))) return;
    if (name.endsWith('1')) return void this.#joined.add(name);
    if (await store.update(found, { leave: [name] })) this.#left.add(name);
  }

  /** Reads the session as a request does whose client has the current secret. */
  async #read(store: SessionStore): Promise<SessionRecord | undefined> {
    const secretHash = this.#secretHash;
    const wasGone = this.#isGone;
    const found = await store.read(this.record.id);
    if (!found) {
      if (this.#ending === 0) this.outcome.missed++;
      return undefined;
    }
    if (wasGone) this.outcome.revived++;
    const isAdmitted = [found.secretHash, found.previous?.hash].includes(secretHash);
    if (!isAdmitted && this.#ending === 0) this.outcome.missed++;
    return isAdmitted ? found : undefined;
  }

  async end(store: SessionStore, way: number): Promise<void> {
    const { id } = this.record;
    this.#ending++;
    if (way === 0) await store.destroy(id);
    else if (way === 1) await store.clear('g');
    else if (way === 2) await store.regenerate(id);
    else await store.update({ id }, { expiresAt: Date.now() - 1 });
    this.#ended++;
    if (way === 1) this.#isCleared = true;
    // A slow write to an express-session store brings back a session that was regenerated, until the writer has noticed it.
    if (way !== 2 || !this.uses.isForeign) this.#isGone = true;
  }

  /** Regenerates the session, as a login does. */
  async logIn(store: SessionStore, name: string): Promise<void> {
    const { id } = this.record;
    if (!(await this.#read(store))) return;
    this.#ending++;
    const mayHave = await store.regenerate(id);
    this.#ended++;
    if (!mayHave) return;
    const successor = aRecord(`${id}-${name}`, { groups: ['g'], from: [id] });
    if (await store.create(successor)) this.#successors.push(successor);
  }

  /** Counts what is wrong when everything has settled. */
  async check(store: SessionStore, sources: SessionStore[]): Promise<void> {
    const { id } = this.record;
    const { outcome } = this;
    const isOver = this.#ended > 0;
    const found = await store.read(id);
    const successors = (await Promise.all(this.#successors.map((one) => store.read(one.id)))).filter(Boolean);
    if (this.#isCleared) outcome.revived += successors.length;
    const { records } = await store.page({ group: 'g', limit: 100 });
    const wrong = records.length - (isOver ? successors.length : 1);
    if (wrong !== 0) outcome.misplaced++;
    const left = (await Promise.all(sources.map((source) => source.read(id)))).some(Boolean);
    // What is left in the old store would be live again once the tombstone is gone.
    if (isOver && (found || left)) outcome.revived++;
    if (!isOver && left) outcome.left++;
    if (!isOver && !found) outcome.missed++;
    if (isOver || !found) return;
    for (const name of this.#acknowledged) if (found.data[name] !== '1') outcome.lost++;
    if (this.#expiresAt !== undefined && found.expiresAt !== this.#expiresAt) outcome.lost++;
    for (const group of this.#joined) if (!found.groups.includes(group)) outcome.misplaced++;
    for (const group of this.#left) if (found.groups.includes(group)) outcome.misplaced++;
  }
}
