import 'reflect-metadata';

// `export *` for what apps augment (`SessionData`): TypeScript merges an augmentation through it, not through a
// named re-export.
export type * from './session/session.js';
export * from './contract/store.js';
export * from './contract/record.js';
export * from './contract/errors.js';
export { DEFAULT_TIMEOUT, withDeadline } from './contract/deadline.js';
export { Session, sessionOf } from './nest/session.decorator.js';
export { SESSION_MIDDLEWARE, SessionModule } from './nest/session.module.js';
export { SessionService } from './nest/session.service.js';
export type {
  ClearOptions,
  CreateOptions,
  CreatedSession,
  PageOptions,
  SessionView,
  SessionViewPage,
} from './nest/session.service.js';
export { fromExpressStore, type ExpressStoreOptions } from './stores/express/store.js';
export { sessionMiddleware, type SessionMiddleware } from './http/middleware.js';
export type { SessionModuleOptions, SessionOptionsFactory } from './nest/session.module-definition.js';
export type { SessionCookieFactory, SessionLogger, SessionOptions } from './options/options.js';
export type { SessionCookie, SessionCookieOptions } from './cookie/cookie.js';
export {
  cookieIdentity,
  headerIdentity,
  type CookieIdentityOptions,
  type HeaderIdentityOptions,
  type IdentifiedSession,
  type IdentityScope,
  type SessionIdentity,
} from './token/identity.js';
export type { SigningSecret } from './token/signer.js';
