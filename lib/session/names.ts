/** The names of express-session's own members. They cannot hold data. `LiveCookie` is stored under `cookie`. */
export const EXPRESS_NAMES: ReadonlySet<string> = new Set([
  'cookie',
  'destroy',
  'id',
  'regenerate',
  'reload',
  'req',
  'resetMaxAge',
  'save',
  'touch',
]);

/**
 * The names of all members of the session object, including planned ones: data with such a name would change its
 * meaning with a release. Names of data often come from clients, and `joinGroup` must stay a method.
 */
export const MEMBER_NAMES: ReadonlySet<string> = new Set([
  ...EXPRESS_NAMES,
  'absoluteExpiresAt',
  'add',
  'groupNames',
  'identity',
  'idleExpiresAt',
  'joinGroup',
  'leaveGroup',
  'rotate',
  'setGroupName',
  'setLabel',
  'take',
]);

const BRAND = Symbol.for('nestjs-session-stores/reserved-name');

/** Data has the name of a member of the session object. The message is not for the client. */
class ReservedNameError extends TypeError {
  readonly [BRAND] = true;

  constructor(name: string) {
    super(`session.${name} is reserved and cannot hold data. Choose another name`);
  }
}

/** Throws for data with a reserved name. A function is allowed: libraries replace methods. */
export function rejectReserved(name: string, value: unknown): void {
  if (typeof value === 'function' || value === undefined) return;
  throw new ReservedNameError(name);
}

/** Whether an error says that data has a reserved name, from any copy of this package. */
export function isReservedNameError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && BRAND in error;
}
