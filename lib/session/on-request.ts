import type { Session as OurSession, SessionCallback } from './session.js';
import type { SessionData as OurData } from './session-data.js';

/** What the session middleware puts on a request. */
export interface RequestWithSession {
  /** The session of this request: your data, and what a session can do. Gone after it was destroyed. */
  session: OurSession;
}

// Inherited, not declared: where @types/express-session or @fastify/session declare `session` themselves, theirs stands
// (two declarations are TS2717), and their types take in our data and methods below. A module that is missing or has no
// types must be no error (TS2664, TS2665), nor what other packages make of these names: hence each `@ts-ignore`, as
// JSDoc because only that reaches the .d.ts. `test/types.spec.ts` holds what they could hide.
declare global {
  namespace Express {
    /** @ts-ignore */
    interface Request extends RequestWithSession {}
  }
}

/** @ts-ignore */
declare module 'fastify' {
  /** @ts-ignore */
  interface FastifyRequest extends RequestWithSession {}
}

/** @ts-ignore */
declare module 'express-session' {
  /** @ts-ignore */
  interface SessionData extends OurData {}
  // What their class has too is written out: so it becomes an overload before theirs, which wins.
  /** @ts-ignore */
  interface Session extends OurSession {
    save(): Promise<void>;
    save(callback: SessionCallback): this;
    reload(): Promise<void>;
    reload(callback: SessionCallback): this;
    destroy(): Promise<void>;
    destroy(callback: SessionCallback): this;
    regenerate(): Promise<void>;
    regenerate(callback: SessionCallback): this;
    touch(): Promise<void>;
  }
}

/** @ts-ignore */
declare module '@fastify/session' {
  // `SessionStore['set']` leads to fastify's own `Session`; `import('fastify')` would load fastify's types into every
  // app that has them.
  /** @ts-ignore */
  interface FastifySessionObject extends Omit<OurSession, keyof Parameters<SessionStore['set']>[1]> {
    save(): Promise<void>;
    save(callback: SessionCallback): this;
    reload(): Promise<void>;
    reload(callback: SessionCallback): this;
    destroy(): Promise<void>;
    destroy(callback: SessionCallback): this;
    regenerate(): Promise<void>;
    regenerate(callback: SessionCallback): this;
    touch(): Promise<void>;
    resetMaxAge(): this;
  }
}
