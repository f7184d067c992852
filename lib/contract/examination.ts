import { isStoreError } from './errors.js';

/** The method by which a store examines its backend. Registered, so that stores of another copy of the package have it. */
export const EXAMINE: unique symbol = Symbol.for('nestjs-session-stores/examine');

/** What an examination has found out about one subject. */
export interface Finding {
  /** `not allowed to look`: the backend denies the command. `unknown`: it cannot be found out, or that failed. */
  outcome: 'ok' | 'risk' | 'not allowed to look' | 'unknown';
  /** The name of what was examined, such as `Redis eviction`. */
  subject: string;
  /** What was seen, in one sentence. No secret, no session data. */
  found: string;
  /** What may happen. Present if, and only if, the outcome is `risk`. */
  risk?: string;
  /** What to change. Of other outcomes than `risk`: what to check, or how to allow the look. */
  remedy?: string;
}

/** What a store is told for an examination of its backend. */
export interface SessionExamination {
  /** How long an unused session lives, in milliseconds; may be `Infinity`. */
  lifetime: number;
  /** The parsed configuration file of the backend's servers. `undefined` if it was not given. */
  serverConfig?: { file: string; content: unknown } | undefined;
}

export function ok(subject: string, found: string): Finding {
  return { outcome: 'ok', subject, found };
}

export function atRisk(subject: string, found: string, risk: string, remedy: string): Finding {
  return { outcome: 'risk', subject, found, risk, remedy };
}

export function notAllowed(subject: string, found: string, remedy: string): Finding {
  return { outcome: 'not allowed to look', subject, found, remedy };
}

export function unknown(subject: string, found: string, remedy?: string): Finding {
  return { outcome: 'unknown', subject, found, ...(remedy !== undefined && { remedy }) };
}

/** The examination of a store that has none of its own. */
export async function* unexamined(store: string): AsyncGenerator<Finding, void, undefined> {
  yield unknown('Store', `The store "${store}" has no examination of its backend.`);
}

/** The finding about a connection that could not be opened. */
export function connectionFinding(subject: string, error: unknown): Finding {
  const { problem, remedy } = explained(error);
  return atRisk(subject, problem, 'The app cannot use its sessions.', remedy);
}

/** Runs a call that reads a server's clock. Resolves also to the time of this host when the server read it. */
export async function timed<T>(call: () => Promise<T>): Promise<{ reply: T; readAt: number }> {
  const sentAt = Date.now();
  const begun = performance.now();
  const reply = await call();
  return { reply, readAt: sentAt + (performance.now() - begun) / 2 };
}

/** The difference between two clocks that is a risk, in milliseconds. */
const MOST_APART = 5000;

/**
 * The finding about a server's clock.
 *
 * @param ahead by how many milliseconds it is ahead of the clock of this process
 * @param name of the server, if there are several
 */
export function clockFinding(subject: string, ahead: number, name = 'The server'): Finding {
  const apart = Math.abs(ahead);
  if (apart <= MOST_APART) {
    return ok(subject, `${name} and this host agree on the time within ${MOST_APART / 1000} seconds.`);
  }
  return atRisk(
    subject,
    `The clock of this host is ${Math.round(apart / 1000)} s ${ahead < 0 ? 'ahead of' : 'behind'} the clock of ${lowerFirst(name)}.`,
    'Sessions expire by the clock of the store. Comparisons of the app with its own clock, such as how long ago a user logged in, are wrong by the difference. A failover to a server with another clock ends sessions early or late.',
    'Synchronize the clocks of both hosts, for example with NTP.',
  );
}

/** An error as two sentences: what happened, and what to do. */
export function explained(error: unknown): { problem: string; remedy: string } {
  const message = error instanceof Error ? error.message : String(error);
  const problem = isStoreError(error) ? message.replace(/^\[session:[^\]]*\] \w+: /, '') : message;
  const [, what = problem, todo = ''] = /^(.*?[^.])\. (.*)$/s.exec(problem) ?? [];
  return { problem: sentence(what), remedy: sentence(todo || 'Check the log of the server') };
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`.replace(/([^.?!])$/, '$1.');
}

function lowerFirst(text: string): string {
  return text.startsWith('The ') ? `t${text.slice(1)}` : text;
}
