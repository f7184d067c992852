import { SessionStoreError } from '../../../contract/errors.js';
import type { SessionRecord } from '../../../contract/record.js';
import { deltaOf, encodeRecord, type RecordDelta } from './entries.js';
import type { Journal } from './journal.js';

/** The part of a journal that has the sessions of one name. Each method appends one change, before it is made. */
export class SessionLog {
  constructor(
    private readonly journal: Journal,
    private readonly name: string,
  ) {}

  put(record: SessionRecord): void {
    this.journal.append(['put', this.name, encodeRecord(record)]);
  }

  change(before: SessionRecord, after: SessionRecord): void {
    const delta: RecordDelta = deltaOf(before, after);
    this.journal.append(['change', this.name, before.id, delta]);
  }

  /** A tombstone takes the place of a session. `groups` is `undefined` unless the session was regenerated. */
  end(id: string, until: number, groups: readonly string[] | undefined): void {
    this.journal.append(['end', this.name, id, until, groups ?? null]);
  }

  /** A session has expired, or is dropped for room. */
  drop(id: string): void {
    this.journal.append(['drop', this.name, id]);
  }

  /** Throws if nothing can be written any more. */
  check(operation: string): void {
    const { failure } = this.journal;
    if (failure !== undefined) throw notWritten(operation, failure);
  }

  /** Resolves when all changes until now are written; `undefined` if they are. Rejects if they cannot be. */
  written(operation: string): Promise<void> | undefined {
    return this.journal.written?.catch((cause: unknown) => {
      throw notWritten(operation, cause);
    });
  }
}

function notWritten(operation: string, cause: unknown): SessionStoreError {
  const { code } = cause as NodeJS.ErrnoException;
  const problem = `the journal in the store's directory could not be written (${code ?? 'see the cause'}), so all changes are rejected until a restart. Is the disk full?`;
  return new SessionStoreError('cluster', operation, problem, { cause });
}
