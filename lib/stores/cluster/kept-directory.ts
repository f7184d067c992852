import type { Budget } from './budget.js';
import { openDirectory, type LockedJournal } from './journal/directory.js';
import type { Durability } from './journal/file.js';
import { SessionLog } from './journal/log.js';
import { Sessions } from './sessions.js';

/** A directory that this process uses, with the sessions of one or several names. They are in the memory, too. */
export class KeptDirectory {
  /** How many stores and servers use it. */
  users = 0;
  /** Resolves once its sessions are in the memory. */
  readonly opened: Promise<void>;
  private readonly names = new Map<string, Sessions>();
  private locked: Pick<LockedJournal, 'journal' | 'close'> | undefined;

  constructor(
    readonly path: string,
    readonly durability: Durability,
    timeout: number,
    private readonly budget: Budget,
    private maxSessions: number,
  ) {
    this.opened = this.open(timeout);
    // Each user waits for it.
    this.opened.catch(() => {});
  }

  get isOpen(): boolean {
    return this.locked !== undefined;
  }

  /** The sessions of a name. Created if there are none. The directory must be open. */
  sessionsOf(name: string): Sessions {
    let sessions = this.names.get(name);
    if (!sessions) {
      const { journal } = this.locked!;
      sessions = new Sessions(this.maxSessions, this.budget, new SessionLog(journal, name));
      this.names.set(name, sessions);
    }
    return sessions;
  }

  /** Changes how many sessions of one name are held at most. */
  limitTo(maxSessions: number): void {
    this.maxSessions = maxSessions;
    for (const sessions of this.names.values()) sessions.limitTo(maxSessions);
  }

  /** Drops the sessions from the memory, and unlocks the directory when all changes are written. */
  async close(): Promise<void> {
    await this.opened.catch(() => {});
    for (const sessions of this.names.values()) sessions.close();
    await this.locked?.close();
  }

  private async open(timeout: number): Promise<void> {
    const stateNow = () => new Map(Array.from(this.names, ([name, { state }]) => [name, state]));
    const {
      state: found,
      damage,
      ...locked
    } = await openDirectory(this.path, this.durability, timeout, stateNow);
    this.locked = locked;
    for (const [name, state] of found) this.sessionsOf(name).restore(state);
    if (damage !== undefined) process.emitWarning(`${damaged(this.path)} ${damage}`, 'SessionStoreWarning');
  }
}

/** An operator reads this, who needs the path. */
function damaged(path: string): string {
  return `[session:cluster] open: the journal in ${path} is damaged. What was written after the damage is lost: sessions may be missing or as they were before, and sessions that ended may be back. Clear all sessions if that matters. The file is kept as journal.damaged.`;
}
