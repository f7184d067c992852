import { isLive, type Envelope, type Envelopes } from './envelope.js';
import type { JsonMap } from './map.js';
import type { Repairs } from './repair.js';
import type { Replicas } from './replica.js';
import { TOMBSTONE_TTL, isEnded, tombstoneIn, tombstoneText } from './tombstone.js';

/** Puts tombstones in the place of sessions, then removes their replicas. */
export class Endings {
  constructor(
    private readonly envelopes: Envelopes,
    private readonly replicas: Replicas,
    private readonly repairs: Repairs,
    private readonly now: () => number,
  ) {}

  /**
   * Ends a session, or makes an ended one of one that was regenerated. Writes nothing if there is neither. Resolves to
   * whether it was live.
   */
  async end(sessions: JsonMap, id: string): Promise<boolean> {
    const key = this.envelopes.keyOf(id);
    const ended = tombstoneText('ended', this.now());
    const before = await this.repairs.leavingNoOrphan(sessions, id, async () => {
      const { text, isThere } = await this.repairs.orKeepAlive(sessions, id, () =>
        sessions.replaceAny(key, ended, TOMBSTONE_TTL),
      );
      await this.replicas.remove(id);
      // A session was created between the two steps of the call, and has the lifetime of a tombstone.
      if (text === undefined && isThere) await this.repairs.keepAlive(sessions, id);
      return text;
    });
    return before !== undefined && this.wasLive(sessions, id, ended, before);
  }

  /**
   * As `end`, for a session that a list has just shown: one call instead of two, which adds a tombstone if the entry has
   * gone since, and then has to remove it.
   */
  async endListed(sessions: JsonMap, id: string): Promise<boolean> {
    const key = this.envelopes.keyOf(id);
    const ended = tombstoneText('ended', this.now());
    const before = await this.repairs.leavingNoOrphan(sessions, id, async () => {
      const text = await sessions.put(key, ended, TOMBSTONE_TTL);
      await this.replicas.remove(id);
      return text;
    });
    return this.wasLive(sessions, id, ended, before);
  }

  /** Ends a session if it is still as it was found. Resolves to whether it was. */
  endSame(sessions: JsonMap, { record: { id }, text }: Envelope): Promise<boolean> {
    return this.bury(sessions, id, text, tombstoneText('ended', this.now()));
  }

  /** Regenerates a session if its entry still has a text, damaged or not. Resolves to whether it had. */
  regenerateSame(sessions: JsonMap, id: string, text: string, groups: string[]): Promise<boolean> {
    const listed = this.envelopes.listed(id, groups);
    return this.bury(sessions, id, text, tombstoneText('regenerated', this.now(), listed));
  }

  /** Those of some sessions that have ended, and were not only regenerated. */
  async endedOf(sessions: JsonMap, ids: readonly string[]): Promise<Set<string>> {
    const keys = [...new Set(ids)].map((id) => this.envelopes.keyOf(id));
    const found = keys.length === 0 ? [] : await sessions.getAll(keys);
    const now = this.now();
    return new Set(found.filter(([, text]) => isEnded(text, now)).map(([key]) => this.envelopes.idOf(key)));
  }

  /** Whether there was a live session where a tombstone is now. Without either, as after an expiry, none is left. */
  private async wasLive(
    sessions: JsonMap,
    id: string,
    ended: string,
    before: string | undefined,
  ): Promise<boolean> {
    const now = this.now();
    const found = before === undefined ? undefined : this.envelopes.read(id, before);
    if (found && isLive(found, now)) return true;
    const tombstone = before === undefined ? undefined : tombstoneIn(before);
    // What is damaged may have been live.
    const until = before === undefined ? now : (found?.record.expiresAt ?? tombstone?.until ?? Infinity);
    if (until <= now) await sessions.removeSame(this.envelopes.keyOf(id), ended);
    return false;
  }

  private bury(sessions: JsonMap, id: string, text: string, tombstone: string): Promise<boolean> {
    return this.repairs.leavingNoOrphan(sessions, id, async () => {
      const isDone = await this.repairs.replace(sessions, id, text, tombstone, TOMBSTONE_TTL);
      if (isDone) await this.replicas.remove(id);
      return isDone;
    });
  }
}
