import type { IncomingMessage } from 'node:http';

/**
 * A function of a request. Written as the type of a method, whose parameters TypeScript compares both ways: so one that
 * takes Express's `Request` is assignable. To a plain function type it is not (TS2322).
 */
export type FromRequest<T> = { of(req: IncomingMessage): T }['of'];
