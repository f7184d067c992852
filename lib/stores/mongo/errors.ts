import { SessionStoreError, tooLarge } from '../../contract/errors.js';

/** The store's error for an error of the driver. `address` is where the store connects to. */
export function failed(operation: string, error: unknown, address: string): Error {
  const { codeName, name } = error as DriverError;
  if (TOO_LARGE.test(codeName ?? name))
    return tooLarge('mongo', operation, 'the 16 MB that MongoDB can store', withoutCommand(error));
  const problem =
    rejectedBy(error) ??
    deniedWatch(operation, codeName) ??
    PROBLEMS.find(([names]) => names.test(codeName ?? name))?.[1];
  const unknown =
    codeName === undefined
      ? `no connection to a primary${operation === 'open' ? ` at ${address}` : ''}. Is the server running, is the address right, and does the replica set have a majority?`
      : 'the server rejected the command. Its message is in the cause';
  return new SessionStoreError('mongo', operation, problem ?? unknown, { cause: withoutCommand(error) });
}

/** Whether one of many sessions may have caused the driver's error, because it is damaged or too large. */
export function mayBeOfOne(error: unknown): boolean {
  const { codeName, name } = error as DriverError;
  return [TOO_LARGE, DAMAGED].some((names) => names.test(codeName ?? name));
}

/** Whether a document could not be inserted because there is one with its `_id`. */
export function isIdInUse(error: unknown): boolean {
  const [field] = uniqueFields(error);
  return field === '_id';
}

/** What happened if the user may not watch, though perhaps everything else. */
function deniedWatch(operation: string, codeName: string | undefined): string | undefined {
  if (operation !== 'watch' || codeName !== 'Unauthorized') return undefined;
  return 'the server denied the change stream. The user needs the actions `changeStream` and `find` on the collection, which the role readWrite contains';
}

/** What happened if another program's unique index rejected a session. */
function rejectedBy(error: unknown): string | undefined {
  const fields = uniqueFields(error).map((field) => `\`${field}\``);
  if (fields.length === 0) return undefined;
  return `a unique index on ${fields.join(' and ')} rejects sessions. Drop it, or choose another \`collection\``;
}

/** The fields of the unique index by which a document was rejected. */
function uniqueFields(error: unknown): string[] {
  const { codeName, code, keyPattern } = error as DriverError;
  const isDuplicate = codeName === 'DuplicateKey' || code === 11_000;
  return isDuplicate ? Object.keys(keyPattern ?? {}) : [];
}

const TOO_LARGE = /^(BSONObjectTooLarge|Location17419|Location10334|Location17420|RangeError)$/;
const DAMAGED = /^BSON\w*Error$/;

interface DriverError extends Error {
  code?: unknown;
  codeName?: string;
  /** Of the index by which a document was rejected as a duplicate. */
  keyPattern?: Record<string, unknown>;
}

/** Explanations of the errors of the server and the driver, by name, with advice. */
const PROBLEMS: [names: RegExp, problem: string][] = [
  [
    /^(AuthenticationFailed|AtlasError)$/,
    'the server rejected the login. Check user name, password and authSource',
  ],
  [/^Unauthorized$/, 'the server denied the command. The user needs the role readWrite on the database'],
  [
    /^(NotWritablePrimary|NotPrimary.*|PrimarySteppedDown|InterruptedDueToReplStateChange|InterruptedAtShutdown|ShutdownInProgress)$/,
    'the primary has stepped down. Try again soon',
  ],
  [
    /^(MaxTimeMSExpired|ExceededTimeLimit|WriteConcernFailed|WriteConcernTimeout)$/,
    'the server was too slow. Is it blocked by slow queries, or cut off from the majority of its replica set?',
  ],
  [
    /^(CursorNotFound|CursorKilled|QueryPlanKilled|CappedPositionLost|ChangeStreamHistoryLost)$/,
    'the cursor is gone, because another member is primary now, or because it was not read for long',
  ],
  [DAMAGED, 'a document of the collection is damaged. Remove it'],
  [
    /^DocumentValidationFailure$/,
    'the collection has a validator that rejects sessions or their tombstones. Choose another `collection`',
  ],
  [
    /^(IndexOptionsConflict|IndexKeySpecsConflict)$/,
    'the collection has another index with the name or the keys of one that the store needs. Drop it, or choose another `collection`',
  ],
  [/^CommandNotSupportedOnView$/, 'the collection is a view. Choose another `collection`'],
  [
    /^Mongo(ose)?(Parse|InvalidArgument|MissingCredentials)Error$/,
    'the driver rejected `uri` or `options`. Its message is in the cause',
  ],
];

/** A driver's error as a cause: without the command, the document and its values, which contain session data. */
function withoutCommand(error: unknown): Error {
  const { name, message, stack, code, codeName } = error as DriverError;
  const cause = Object.assign(new Error(withoutKey(message)), { name });
  if (stack !== undefined) cause.stack = withoutKey(stack);
  return Object.assign(cause, code !== undefined && { code }, codeName !== undefined && { codeName });
}

/** A message without the values that MongoDB shows of a duplicate, to the end of their line. */
function withoutKey(message: string): string {
  return message.replace(/ dup key: .*/g, '');
}
