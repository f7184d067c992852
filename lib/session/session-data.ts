/**
 * The properties of your sessions. Augment it once, and every `Session` knows them:
 * `declare module 'nestjs-session-stores' { interface SessionData { user: string } }`.
 */
export interface SessionData {}
