import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { sessionOf } from 'nestjs-session-stores';

/** Lets those in who are logged in. */
@Injectable()
export class LoggedInGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (sessionOf(context)?.user === undefined) throw new UnauthorizedException('log in first: POST /login');
    return true;
  }
}
