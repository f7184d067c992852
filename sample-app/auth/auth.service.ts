import { Injectable } from '@nestjs/common';
import { SessionService, type SessionObject } from 'nestjs-session-stores';
import { groupOf } from '../session-data.js';

/** Signs users in and out, for the JSON interface and for the pages. A real app checks a password first. */
@Injectable()
export class AuthService {
  constructor(private readonly sessions: SessionService) {}

  async signIn(session: SessionObject, user: string, userAgent: string | undefined): Promise<void> {
    // A new session prevents session fixation: an attacker may have planted the old one.
    await session.regenerate();
    session.user = user;
    session.userAgent = userAgent;
    await session.joinGroup(groupOf(user));
  }

  /** Destroys one session of a user. Resolves to whether the user has a session with this id. */
  async end(session: SessionObject, user: string, id: string): Promise<boolean> {
    const found = await this.sessions.find(id);
    if (!found?.groups.includes(groupOf(user))) return false;
    // Its own `destroy` clears the cookie too.
    await (id === session.id ? session.destroy() : this.sessions.destroy(id));
    return true;
  }

  /** Destroys all sessions of a user but this one. Resolves to how many there were. */
  endOthers(session: SessionObject, user: string): Promise<number> {
    return this.sessions.clearGroup(groupOf(user), { except: session });
  }

  /** Destroys all sessions of a user. Resolves to how many there were. */
  async endAll(session: SessionObject, user: string): Promise<number> {
    const ended = await this.sessions.clearGroup(groupOf(user));
    // Destroyed already; this clears the cookie.
    await session.destroy();
    return ended;
  }
}
