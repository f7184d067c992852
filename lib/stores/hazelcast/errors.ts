import { SessionStoreError } from '../../contract/errors.js';

/** The store's error for what the client threw, or what became of a call. */
export function failed(operation: string, error: unknown): Error {
  const [, problem] = PROBLEMS.find(([names]) => names.includes(kindOf(error))) ?? [];
  return problemOf(operation, problem ?? 'a member rejected the call. Its message is in the cause', error);
}

export function problemOf(operation: string, problem: string, cause?: unknown): SessionStoreError {
  // A member's stack trace is pages long, and says nothing that the message does not.
  if (cause instanceof Error) delete (cause as { serverStackTrace?: unknown }).serverStackTrace;
  return new SessionStoreError('hazelcast', operation, problem, cause === undefined ? undefined : { cause });
}

export const SHUT_DOWN =
  'the client has shut down for good: make a new one, and let it reconnect for ever (clusterConnectTimeoutMillis: -1)';
export const OFFLINE =
  'no connection to the cluster: are members running? The client goes on trying to reconnect';

/** The class of an error of the client, which calls all of them `Error`; by name, as it may be another copy's. */
export function kindOf(error: unknown): string {
  return error instanceof Error ? error.constructor.name : '';
}

/** What the client's errors mean. */
const PROBLEMS: [names: string[], problem: string][] = [
  [['ClientNotActiveError'], SHUT_DOWN],
  [['ClientOfflineError'], OFFLINE],
  [
    ['IOError', 'TargetDisconnectedError', 'TargetNotMemberError', 'MemberLeftError'],
    'the connection to a member broke: it may or may not have been done',
  ],
  [
    ['AuthenticationError', 'ClientNotAllowedInClusterError'],
    'the cluster does not let the client in: check clusterName and security',
  ],
  [
    ['IndeterminateOperationStateError'],
    'a member did it, but its backup did not answer: it may be lost if that member crashes, so try again',
  ],
  [['OperationTimeoutError'], 'no member took it in time: are they running, and not overloaded?'],
  [
    ['SplitBrainProtectionError', 'NoDataMemberInClusterError'],
    'too few members are left: start those that are missing',
  ],
  [['ReachedMaxSizeError'], 'the map is full: raise its limit, or shorten the lifetime of sessions'],
];
