export { sessionMiddleware, type SessionMiddleware } from './session.middleware.js';
export type { SessionLogger, SessionOptions } from './session.options.js';
export type { SessionCookieOptions } from './session.cookie.js';
export { SessionGoneError, SessionStoreError } from './session.errors.js';
