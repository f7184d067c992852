import { ImATeapotException, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { sessionOf, SessionService, type Session } from 'nestjs-session-stores';
import { Gates } from '../http/gates.js';
import type { Whoami } from './transport.js';

type Bag = Record<string, unknown>;

/** What the handlers of each transport do with their session. */
@Injectable()
export class Account {
  readonly gates = new Gates();

  constructor(private readonly sessions: SessionService) {}

  async login(session: Session, user: string): Promise<string> {
    await session.regenerate();
    (session as unknown as Bag)['user'] = user;
    void session.joinGroup(`user:${user}`);
    return session.id;
  }

  whoami(session: Session): Whoami {
    return { user: ((session as unknown as Bag)['user'] as string | undefined) ?? null, id: session.id };
  }

  put(session: Session, name: string, value: unknown): void {
    (session as unknown as Bag)[name] = value;
  }

  async putSlowly(session: Session, name: string, value: unknown, gate: string): Promise<void> {
    (session as unknown as Bag)[name] = value;
    await this.gates.pass(gate);
  }

  putAndThrow(session: Session, name: string, value: unknown): never {
    (session as unknown as Bag)[name] = value;
    throw new ImATeapotException();
  }

  get(session: Session, name: string): unknown {
    return (session as unknown as Bag)[name] ?? null;
  }

  logoutEverywhere(session: Session): Promise<number> {
    return this.sessions.clearGroup(`user:${this.whoami(session).user}`);
  }
}

/** Allows requests whose session has a user. */
@Injectable()
export class LoggedIn implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return (sessionOf(context) as unknown as Bag)['user'] !== undefined;
  }
}
