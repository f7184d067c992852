import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { SessionService, type SessionObject } from 'nestjs-session-stores';
import { deviceOf } from '../account/device.js';
import { groupOf } from '../session-data.js';

/** Signs users in and out, for the JSON interface and for the pages. A real app checks a password first. */
@Injectable()
export class AuthService {
  /** How many devices of a user may be signed in. */
  private readonly max: number;

  constructor(
    private readonly sessions: SessionService,
    config: ConfigService,
  ) {
    this.max = Number(config.getOrThrow<string>('MAX_DEVICES'));
  }

  async signIn(session: SessionObject, user: string): Promise<void> {
    // A new session prevents session fixation: an attacker may have planted the old one.
    await session.regenerate();
    await this.enter(session, user);
  }

  /** Makes a new session one of a user. If too many devices are signed in, the one that was not used for the longest is not. */
  async enter(session: SessionObject, user: string): Promise<void> {
    const ended = await session.joinGroup(groupOf(user), { max: this.max, whenFull: 'end-least-recent' });
    // Only now, so that a session which may not join has no user.
    session.user = user;
    if (ended.length > 0) session.signedOut = ended.map((view) => deviceOf(view).name).join(', ');
  }

  /** Names one session of a user. Resolves to whether the user has a session with this id. */
  async rename(user: string, id: string, label: string): Promise<boolean> {
    const found = await this.sessions.find(id);
    return found?.groups.includes(groupOf(user)) === true && this.sessions.setLabel(id, label);
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
