import 'reflect-metadata';

// `export *` for what apps augment (`SessionData`): TypeScript merges an augmentation through it, not through a
// named re-export.
export type * from './session/session-data.js';
export type * from './session/session.js';
export type * from './session/on-request.js';
// The name by which TypeScript writes an inferred session into an app's declarations: `Session` is the decorator's too.
export type { Session as SessionObject } from './session/session.js';
export { SessionStore } from './contract/store.js';
export { SessionGoneError, SessionStoreError, SessionTooLargeError } from './contract/errors.js';
export { CrossSiteError } from './http/cross-site.js';
export { AllowCrossSite } from './nest/cross-site.js';
export { FreshSession } from './nest/fresh-session.js';
export { Passive } from './nest/passive.js';
export { Session, sessionOf } from './nest/session.decorator.js';
export { SESSION_MIDDLEWARE, SessionModule } from './nest/session.module.js';
export type { LimitOptions } from './session/limit-options.js';
export { SessionLimitError } from './session/limits.js';
export type { AddressPart, SessionClient } from './session/seen.js';
export type { SessionView } from './session/view.js';
export type { SessionWhenFull } from './contract/limit.js';
export { SessionService } from './nest/session.service.js';
export type {
  ClearOptions,
  CreateOptions,
  CreatedSession,
  LimitedGroup,
  PageOptions,
  SessionViewPage,
} from './nest/session.service.js';
export { sessionMiddleware, type SessionMiddleware } from './http/middleware.js';
export type { SessionModuleOptions, SessionOptionsFactory } from './nest/session.module-definition.js';
export type { SessionCacheOptions } from './cache/options.js';
export type { EncryptionKey } from './encryption/keys.js';
export type { SessionEncryptOptions } from './encryption/options.js';
export type { SessionMigrateOptions } from './migration/options.js';
export type { SessionMigration } from './migration/store.js';
export type { SessionCacheMessage, SessionCacheMiss } from './cache/channel.js';
export type {
  SessionFeedMessage,
  SessionMessage,
  SessionStoreMessage,
  SessionStoreOutcome,
} from './contract/diagnostics.js';
export type { SessionCookieFactory, SessionOptions } from './options/options.js';
export type { SessionLogger } from './session/logger.js';
export type { SessionCookie } from './cookie/cookie.js';
export type { SessionCookieOptions } from './cookie/attributes.js';
export { cookieIdentity, type CookieIdentityOptions } from './token/cookie-identity.js';
export { headerIdentity, type HeaderIdentityOptions } from './token/header-identity.js';
export type { IdentifiedSession, SessionIdentity } from './token/identity.js';
export type { IdentityScope } from './token/scope.js';
export type { SigningSecret } from './token/signer.js';
