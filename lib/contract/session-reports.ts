import { isPromise } from './deadline.js';
import { areSessionsReported, reportSession, type SessionMessage } from './diagnostics.js';
import type { SessionGroupLimit, SessionLimitedJoin } from './limit.js';
import { hashedId } from './log-id.js';
import { isProbe } from './probe.js';

/** What a store reports of a session, to which its word is added. */
export type SessionReport = SessionMessage extends infer One
  ? One extends { store: string }
    ? Omit<One, 'store'>
    : never
  : never;

/** The store that reports. */
export interface Reporting {
  readonly store: string;
  /** Whether ids are credentials, which do not leave the process. */
  readonly hidesIds: boolean;
}

/**
 * Reports what a call has done to a session, once it has resolved. `reportOf` is called only if something listens, and
 * returns a falsy value if there is nothing to report. Returns the result.
 */
export function reported<T>(
  result: T | PromiseLike<T>,
  reporting: () => Reporting,
  reportOf: (value: T) => SessionReport | false | undefined,
): T | PromiseLike<T> {
  if (!areSessionsReported()) return result;
  const report = (value: T): T => {
    const said = reportOf(value);
    if (said && !('id' in said && isProbe(said.id))) {
      const { store, hidesIds } = reporting();
      reportSession(() => ({ ...(hidesIds ? withoutIds(said) : said), store }) as SessionMessage);
    }
    return value;
  };
  return isPromise(result) ? result.then(report) : report(result);
}

/** What a join with a limit reports: nothing unless the group was full. */
export function limitReport(
  id: string,
  { group, max }: SessionGroupLimit,
  join: SessionLimitedJoin,
): SessionReport | undefined {
  const limited = { type: 'limited', id, group, max } as const;
  if (join.is === 'full') return { ...limited, outcome: 'rejected', ended: [] };
  if (join.is === 'gone' || join.ended.length === 0) return undefined;
  return { ...limited, outcome: 'ended', ended: join.ended.map((record) => record.id) };
}

/** The report with the SHA-256 of each id. */
function withoutIds(report: SessionReport): SessionReport {
  switch (report.type) {
    case 'created':
      return { ...report, id: hashedId(report.id), from: report.from.map(hashedId) };
    case 'limited':
      return { ...report, id: hashedId(report.id), ended: report.ended.map(hashedId) };
    case 'cleared':
      return report;
    default:
      return { ...report, id: hashedId(report.id) };
  }
}
