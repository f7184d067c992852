import { SessionStoreError } from '../../contract/errors.js';

/** The store's error for an error of the client. */
export function failed(operation: string, error: unknown): Error {
  const [, problem] = PROBLEMS.find(([names]) => names.includes(kindOf(error))) ?? [];
  return problemOf(operation, problem ?? 'a member rejected the call. Its message is in the cause', error);
}

export function problemOf(operation: string, problem: string, cause?: unknown): SessionStoreError {
  // A member's stack trace is pages long and says no more than the message.
  if (cause instanceof Error) delete (cause as { serverStackTrace?: unknown }).serverStackTrace;
  return new SessionStoreError('hazelcast', operation, problem, cause === undefined ? undefined : { cause });
}

export const SHUT_DOWN =
  'the client has shut down and does not reconnect. Create a new one that reconnects forever (clusterConnectTimeoutMillis: -1)';
export const OFFLINE = 'no connection to the cluster. Are members running? The client continues to reconnect';

/**
 * The name of the class of the client's error. Its `name` is always `Error`, and its class may be from another copy.
 */
export function kindOf(error: unknown): string {
  return error instanceof Error ? error.constructor.name : '';
}

/** A write lost a race, and it cannot be told whether it was done before that. Not an error of one write of a turn. */
export class UnclearRaceError extends Error {}

/** Explanations of the client's errors, with advice. */
const PROBLEMS: [names: string[], problem: string][] = [
  [['ClientNotActiveError'], SHUT_DOWN],
  [['ClientOfflineError'], OFFLINE],
  [
    ['IOError', 'TargetDisconnectedError', 'TargetNotMemberError', 'MemberLeftError'],
    'the connection to a member broke, so the call may or may not have taken effect. Try again',
  ],
  [
    ['AuthenticationError', 'ClientNotAllowedInClusterError'],
    'the cluster rejected the client. Check clusterName and security',
  ],
  [
    ['UnclearRaceError'],
    'other processes wrote the session so often meanwhile that it is not known whether the call has taken effect',
  ],
  [
    ['IndeterminateOperationStateError'],
    'a member acted, but its backup did not respond, so a crash of that member may undo it. Try again',
  ],
  [['OperationTimeoutError'], 'no member responded in time. Are the members running, and not overloaded?'],
  [
    ['SplitBrainProtectionError', 'NoDataMemberInClusterError'],
    'too few members are running. Start the missing ones',
  ],
  [['ReachedMaxSizeError'], 'the map is full. Raise its limit, or shorten the lifetime of sessions'],
];
