// Types for libraries that have none, as far as the specs use them.

declare module 'connect-flash' {
  import type { RequestHandler } from 'express';
  export default function flash(): RequestHandler;
}

declare module 'passport' {
  import type { RequestHandler } from 'express';

  type Done = (error: unknown, value?: unknown) => void;

  export class Strategy {
    success(user: object): void;
    fail(status: number): void;
  }

  export class Passport {
    use(strategy: Strategy): this;
    serializeUser(serialize: (user: unknown, done: Done) => void): void;
    deserializeUser(deserialize: (user: never, done: Done) => void): void;
    initialize(): RequestHandler;
    session(): RequestHandler;
    authenticate(strategy: string, options?: object): RequestHandler;
  }
}

declare module 'session-file-store' {
  import type session from 'express-session';
  export default function connect(of: typeof session): new (options: object) => session.Store;
}

declare namespace Express {
  interface Request {
    flash(type: string, message: string): number;
    flash(type: string): string[];
    user?: unknown;
    logout(callback: (error?: unknown) => void): void;
    logout(options: { keepSessionInfo: boolean }, callback: (error?: unknown) => void): void;
  }
}
