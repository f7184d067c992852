export { sessionMiddleware, type SessionMiddleware } from './session.middleware.js';
export type { SessionCookieFactory, SessionLogger, SessionOptions } from './session.options.js';
export type { SessionCookieOptions } from './session.cookie.js';
export { cookieIdentity, headerIdentity, type SessionIdentity } from './session.identity.js';
export { SessionGoneError, SessionStoreError, SessionTooLargeError } from './session.errors.js';
