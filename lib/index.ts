export * from './session.store.js';
export * from './session.record.js';
export * from './session.errors.js';
export { DEFAULT_TIMEOUT, withDeadline } from './session.deadline.js';
