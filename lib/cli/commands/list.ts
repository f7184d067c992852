import { pagesOf } from '../../contract/pages.js';
import type { SessionRecord } from '../../contract/record.js';
import type { SessionStore } from '../../contract/store.js';
import type { Context } from '../command.js';
import { EXIT } from '../exit.js';
import { hidesIds } from '../../contract/log-id.js';
import { shown, timeOf, type ShownSession } from '../sessions.js';
import { Table, type Column } from '../text.js';

/** Which sessions to list, and how. */
export interface ListFlags {
  group?: string;
  /** How many sessions at most; default: all. */
  limit?: number;
  data?: boolean;
}

const PAGE_SIZE = 100;

/** Prints the live sessions of a group, or of all, page by page. */
export async function list(
  { store, output, interruption }: Context,
  { group, limit = Infinity, data }: ListFlags,
): Promise<number> {
  const table = new Table(columnsFor(store, data));
  let listed = 0;
  for await (const records of interruption.values(sessionsOf(store, group, Math.min(limit, PAGE_SIZE)))) {
    const sessions = records.slice(0, limit - listed).map((record) => shown(store, record, data));
    listed += sessions.length;
    if (!output.isForPeople) await output.json(...sessions);
    else if (sessions.length > 0)
      await output.lines(table.lines(sessions, (titles) => output.styled('bold', titles)));
    if (listed === limit) return EXIT.done;
  }
  if (listed === 0 && output.isForPeople) output.note('There are no live sessions.');
  return EXIT.done;
}

/**
 * Pages in which no session of a group stands twice. The ids of all sessions are not remembered: they would take too much
 * memory.
 */
async function* sessionsOf(
  store: SessionStore,
  group: string | undefined,
  limit: number,
): AsyncGenerator<SessionRecord[]> {
  const seen = new Set<string>();
  for await (const records of pagesOf(store, group, limit)) {
    if (group === undefined) {
      yield records;
      continue;
    }
    const fresh = records.filter(({ id }) => !seen.has(id));
    for (const { id } of fresh) seen.add(id);
    yield fresh;
  }
}

/** The columns that the store can fill. Texts of users come last, because their width is only estimated. */
function columnsFor(store: SessionStore, data = false): Column<ShownSession>[] {
  const { secrets, mixedTokens = false, createdAt, use = true } = store.capabilities;
  const columns: (Column<ShownSession> | false)[] = [
    { title: hidesIds(store.capabilities) ? 'SHA-256 OF THE ID' : 'ID', of: ({ id }) => id },
    createdAt && { title: 'CREATED', of: (session) => timeOf(session.createdAt) },
    use && { title: 'LAST SEEN', of: ({ lastSeenAt }) => timeOf(lastSeenAt) },
    { title: 'EXPIRES', of: ({ expiresAt }) => timeOf(expiresAt) },
    { title: 'BYTES', of: ({ bytes }) => String(bytes) },
    (secrets || mixedTokens) && { title: 'GROUPS', of: ({ groups }) => groups.join(', ') },
    use && { title: 'LABEL', of: ({ label = '' }) => label },
    data && { title: 'DATA', of: (session) => JSON.stringify(session.data) },
  ];
  return columns.filter((column) => column !== false);
}
