import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { sessionOf } from 'nestjs-session-stores';

/** Lets sessions in that know the admin's password. */
@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (sessionOf(context)?.admin !== true) throw new UnauthorizedException();
    return true;
  }
}
