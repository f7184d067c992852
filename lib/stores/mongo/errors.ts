import { SessionStoreError } from '../../contract/errors.js';

/** The store's error for what a driver threw. */
export function failed(operation: string, error: unknown): Error {
  const { codeName, name } = error as DriverError;
  const problem = PROBLEMS.find(([names]) => names.test(codeName ?? name))?.[1];
  const unknown =
    codeName === undefined
      ? 'no connection to a primary. Is the server running, is its address right, and has its replica set a majority?'
      : 'the server rejected the command. Its message is in the cause';
  return new SessionStoreError('mongo', operation, problem ?? unknown, { cause: withoutCommand(error) });
}

/** Whether what the driver threw may be due to one of many sessions: one that is damaged, or too large. */
export function mayBeOfOne(error: unknown): boolean {
  const { codeName, name } = error as DriverError;
  return [TOO_LARGE, DAMAGED].some((names) => names.test(codeName ?? name));
}

const TOO_LARGE = /^(BSONObjectTooLarge|Location17419|Location10334|Location17420|RangeError)$/;
const DAMAGED = /^BSON\w*Error$/;

interface DriverError extends Error {
  code?: unknown;
  codeName?: string;
}

/** What errors mean, by the server's name for them or the driver's, and what to do about them. */
const PROBLEMS: [names: RegExp, problem: string][] = [
  [
    /^(AuthenticationFailed|AtlasError)$/,
    'the server wants another login: check user name, password and authSource',
  ],
  [/^Unauthorized$/, 'the server denies it: the user needs the role readWrite on the database'],
  [
    /^(NotWritablePrimary|NotPrimary.*|PrimarySteppedDown|InterruptedDueToReplStateChange|InterruptedAtShutdown|ShutdownInProgress)$/,
    'the primary is giving way to another: try again soon',
  ],
  [
    /^(MaxTimeMSExpired|ExceededTimeLimit|WriteConcernFailed|WriteConcernTimeout)$/,
    'the server was too slow: is it held up by slow queries, or out of touch with a majority of its replica set?',
  ],
  [TOO_LARGE, 'the session is larger than the 16 MB that MongoDB can hold'],
  [DAMAGED, 'a document of the collection is damaged: remove it'],
  [
    /^DocumentValidationFailure$/,
    'the collection has a validator that refuses sessions: choose another `collection`',
  ],
  [
    /^(IndexOptionsConflict|IndexKeySpecsConflict)$/,
    'the collection has another index on `expiresAt` or `groups`: drop it, or choose another `collection`',
  ],
  [/^Mongo(ose)?(Parse|InvalidArgument|MissingCredentials)Error$/, 'the driver refuses `uri` or `options`'],
];

/** A driver's error as a cause: without the command and the document, which are session data. */
function withoutCommand(error: unknown): Error {
  const { name, message, stack, code, codeName } = error as DriverError;
  const cause = Object.assign(new Error(message), { name });
  if (stack !== undefined) cause.stack = stack;
  return Object.assign(cause, code !== undefined && { code }, codeName !== undefined && { codeName });
}
