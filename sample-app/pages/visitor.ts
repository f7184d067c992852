import cluster from 'node:cluster';
import type { Request } from 'express';
import type { SessionObject } from 'nestjs-session-stores';
import { csrfTokenOf } from './csrf.js';
import { noticeOf } from './notices.js';

/** The visitor of a page, as the page shows them. */
export class Visitor {
  constructor(
    private readonly request: Request,
    private readonly session: SessionObject | undefined,
    /** The devices that the sign-in signed out. */
    private readonly signedOut: string | undefined,
  ) {}

  get user(): string | undefined {
    return this.session?.user;
  }

  /** `undefined` follows the system. */
  get theme(): 'light' | 'dark' | undefined {
    const theme = this.session?.theme;
    return theme === 'light' || theme === 'dark' ? theme : undefined;
  }

  /** The token for this visitor's forms. Only pages with a form ask for it, because it stores the session. */
  get csrf(): string {
    return csrfTokenOf(this.request);
  }

  /** How long the session lives if nothing else is requested, in milliseconds. */
  get left(): number {
    return (this.session?.idleExpiresAt ?? 0) - Date.now();
  }

  get notice(): string | undefined {
    if (this.signedOut !== undefined)
      return `To make room for this device, this one was signed out: ${this.signedOut}.`;
    return noticeOf(this.request.query);
  }

  get path(): string {
    return this.request.path;
  }
}

/** Which process serves this. */
export const worker = { number: cluster.worker?.id ?? 1, pid: process.pid };
