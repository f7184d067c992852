import 'reflect-metadata';

// `export *` for what apps augment (`SessionData`): TypeScript merges an augmentation through it, not through a
// named re-export.
export type * from './session.js';
export * from './session.store.js';
export * from './session.record.js';
export * from './session.errors.js';
export { DEFAULT_TIMEOUT, withDeadline } from './session.deadline.js';
export { Session, sessionOf } from './session.decorator.js';
export { SESSION_MIDDLEWARE, SessionModule } from './session.module.js';
export { SessionService } from './session.service.js';
export type {
  ClearOptions,
  CreateOptions,
  CreatedSession,
  PageOptions,
  SessionView,
  SessionViewPage,
} from './session.service.js';
export { fromExpressStore, type ExpressStoreOptions } from './express-store.from.js';
export { sessionMiddleware, type SessionMiddleware } from './session.middleware.js';
export type { SessionModuleOptions, SessionOptionsFactory } from './session.module-definition.js';
export type { SessionCookieFactory, SessionLogger, SessionOptions } from './session.options.js';
export type { SessionCookie, SessionCookieOptions } from './session.cookie.js';
export {
  cookieIdentity,
  headerIdentity,
  type CookieIdentityOptions,
  type HeaderIdentityOptions,
  type IdentifiedSession,
  type IdentityScope,
  type SessionIdentity,
} from './session.identity.js';
export type { SigningSecret } from './session.token.js';
