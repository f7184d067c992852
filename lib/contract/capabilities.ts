/** Features that not every store has. */
export interface SessionStoreCapabilities {
  /**
   * Whether the store keeps secret hashes. If not, a client's token is the session id alone, which is then a
   * credential.
   */
  readonly secrets: boolean;
  /**
   * Whether the store has sessions of both kinds, as while they migrate from an express-session store: some whose token
   * is the session id alone, and others with a secret. `secrets` is then that of new sessions. Default `false`.
   */
  readonly mixedTokens?: boolean;
  /** Whether the store keeps the creation time of sessions. If not, `createdAt` is 0. */
  readonly createdAt: boolean;
  /** Whether `watch` announces changes. If not, a sentence that says why not. */
  readonly feed: true | string;
  /** Whether the feed announces changes, rotations and ends as what they are; default `true`. If not, as `changed`. */
  readonly exactFeed?: boolean;
  /** Whether the store keeps labels, clients, and when a session was last used; default `true`. */
  readonly use?: boolean;
  /** Whether tests set its clock, so that a difference from the clock of this host is no mistake; default `false`. */
  readonly manualClock?: boolean;
}

/** A public method of a store, as errors and logs name it. */
export type SessionStoreOperation =
  | 'open'
  | 'close'
  | 'create'
  | 'adopt'
  | 'read'
  | 'update'
  | 'rotate'
  | 'destroy'
  | 'regenerate'
  | 'haveEnded'
  | 'page'
  | 'count'
  | 'clear'
  | 'joinLimited'
  | 'watch'
  | 'examine';
