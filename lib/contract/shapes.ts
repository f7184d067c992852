import type { SessionStore } from './store.js';

// Stores are recognised by their methods, because a class from another copy of this package is another class.

const METHODS = ['create', 'read', 'update', 'rotate', 'destroy', 'page', 'count', 'clear', 'now'] as const;

/** The methods of a `SessionStore` that a value lacks. */
export function missingMethods(value: unknown): string[] {
  return METHODS.filter((method) => typeof Object(value)[method] !== 'function');
}

/** Whether a value is a store of ours, from any copy of this package. */
export function isSessionStore(value: unknown): value is SessionStore {
  return missingMethods(value).length === 0;
}

/** Whether a value has the methods that every store for express-session has. A store of ours may have them too. */
export function isExpressStore(value: unknown): boolean {
  return ['get', 'set', 'destroy'].every((method) => typeof Object(value)[method] === 'function');
}
