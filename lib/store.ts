// For authors of stores and of decorators around them: the contract, and what helps to keep it.
export * from './contract/capabilities.js';
export * from './contract/store.js';
export * from './contract/record.js';
export type { AddRefusal } from './contract/sum.js';
export * from './contract/decorator.js';
export {
  excessOf,
  joinAfter,
  type SessionGroupLimit,
  type SessionLimitedJoin,
  type SessionWhenFull,
} from './contract/limit.js';
export { CachedStore } from './cache/store.js';
export type { SessionCacheMessage, SessionCacheMiss } from './cache/channel.js';
export type { CachedStoreOptions } from './cache/options.js';
export { EncryptedStore } from './encryption/store.js';
export type { EncryptedStoreOptions, SessionEncryptOptions } from './encryption/options.js';
export type { EncryptionKey } from './encryption/keys.js';
export { MigratingStore, type SessionMigration } from './migration/store.js';
export type { MigratingStoreOptions, SessionMigrateOptions } from './migration/options.js';
export type {
  SessionFeedEvent,
  SessionFeedListener,
  SessionFeedSink,
  SessionFeedSource,
  SessionFeedState,
  SessionWatch,
} from './contract/feed.js';
export { FEED_TIMEOUT } from './contract/feed-run.js';
export * from './contract/checks.js';
export * from './contract/errors.js';
export { probeId } from './contract/probe.js';
export { DEFAULT_TIMEOUT, NO_DEADLINE, type Deadline } from './contract/deadline.js';
export {
  checkFlag,
  checkLifetime,
  checkNoOthers,
  checkOptionsObject,
  checkPrefix,
  checkWord,
} from './contract/option-checks.js';
export { ServerClock, type Window } from './stores/shared/clock.js';
export {
  SessionWriteQueue,
  type SessionWriteCall,
  type SessionWriteSender,
  type SessionWriteTurn,
} from './stores/shared/write-queue.js';
export {
  applyWrites,
  type AppliedWrites,
  type SessionRotation,
  type SessionWrite,
  type SessionWriteResult,
} from './stores/shared/writes.js';
