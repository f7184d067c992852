import type { Deadline } from '../../contract/deadline.js';
import type { SessionChange, SessionUpdate } from '../../contract/record.js';
import { nameFields, removedFields, setFields } from './layout.js';
import type { ScriptRunner } from './runner.js';
import type { Script } from './script.js';
import { UPDATE } from './session.scripts.js';
import { ADD, TAKE } from './value.scripts.js';

/** Sends changes of sessions, each as one script. */
export class Changes {
  constructor(private readonly runner: ScriptRunner) {}

  /** Resolves to the session after the change; `undefined` if it is gone. */
  async send(id: string, change: SessionChange, deadline: Deadline): Promise<SessionUpdate | undefined> {
    const { remove = [], join = [], leave = [], expiresAt, touch, retirePrevious, seen, add, take } = change;
    if (add) return this.act(ADD, id, [...nameFields(add.name), add.by], deadline);
    if (take !== undefined) return this.act(TAKE, id, nameFields(take), deadline);
    const sets = setFields(change);
    const removals = removedFields(remove);
    const [isLive, expires, secretHash] = await this.runner.onSession('update', deadline, UPDATE, id, [
      expiresAt ?? '',
      touch?.from ?? '',
      touch?.to ?? '',
      retirePrevious?.secretHash ?? '',
      retirePrevious?.validUntil ?? '',
      sets.length,
      removals.length,
      join.length,
      seen?.at ?? '',
      seen?.client ?? '',
      ...sets,
      ...removals,
      ...join,
      ...leave,
    ]);
    return isLive ? { expiresAt: Number(expires), secretHash: secretHash as string } : undefined;
  }

  /** Sends an `add` or a `take`. */
  private async act(
    script: Script,
    id: string,
    args: (string | number)[],
    deadline: Deadline,
  ): Promise<SessionUpdate | undefined> {
    const reply = await this.runner.onSession('update', deadline, script, id, args);
    const [isLive, expires, secretHash, text, refused] = reply;
    if (!isLive) return undefined;
    const update: SessionUpdate = { expiresAt: Number(expires), secretHash: secretHash as string };
    if (typeof text === 'string') update.text = text;
    if (refused) update.refused = refused as NonNullable<SessionUpdate['refused']>;
    return update;
  }
}
