import type { Deadline } from '../../contract/deadline.js';
import type { SessionRecord } from '../../contract/record.js';
import type { Window } from '../shared/clock.js';
import { timeOf, type Calls } from './calls.js';
import { STATE, type Written } from './changes.js';
import type { Commands } from './commands.js';
import type { Send } from './connection.js';
import { MARK, documentOf, type SessionDocument } from './document.js';
import { isIdInUse } from './errors.js';
import { IS_SESSION, TOO_LATE, creation } from './pipelines.js';

/** Creates sessions, each by one command that writes nothing if the id is in use. */
export class Creating {
  constructor(
    private readonly calls: Calls,
    private readonly commands: Commands,
  ) {}

  /** Resolves to whether the session with the id is the one of `record`. */
  async create(record: SessionRecord, deadline: Deadline): Promise<boolean> {
    const document = documentOf(record);
    const created = await this.calls.write('create', deadline, timeOf, async (send, window) => {
      const put = await this.put(send, document, window);
      if (!put) return false;
      const isTooLate = Number(put.expiresAt) === TOO_LATE.getTime();
      if (isTooLate && record.expiresAt > TOO_LATE.getTime()) return undefined;
      return put.secretHash === record.secretHash;
    });
    return created === true;
  }

  /**
   * Writes a document if there is none with its id, or only an expired session. Resolves to what has the id then: a
   * session, or the tombstone of one that was regenerated. `undefined` if that of a session that has ended has it, or a
   * document of another program.
   */
  private async put(
    send: Send,
    document: SessionDocument,
    window: Window,
  ): Promise<Partial<Written> | undefined> {
    const { _id } = document;
    for (;;) {
      try {
        const query = { ...MARK, _id };
        return await this.commands.findAndModify<Written>(send, {
          query,
          update: creation(document, window),
          upsert: true,
          fields: STATE,
        });
      } catch (error) {
        if (!isIdInUse(error)) throw error;
      }
      const [met] = await this.commands.findAll<{ isSession: boolean }>(send, {
        filter: { _id },
        projection: { _id: 0, isSession: IS_SESSION },
        limit: 1,
      });
      if (met?.isSession === false) return undefined;
      // Another call has created the session at the same time: the next attempt finds it.
    }
  }
}
