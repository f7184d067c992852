import {
  Inject,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { Observable } from 'rxjs';
import type { SessionConfig } from '../session/config.js';
import { OpenConnections } from '../session/connections.js';
import { afterRefresh, wantsFresh } from './fresh-session.js';
import { SESSION_CONFIG } from './session.module-definition.js';
import { isEventStream } from './transports/http.js';
import { transportOf } from './transports/index.js';

/** Reads the session of a handler again if it must be fresh. Commits it, so that a failed commit reaches exception filters. */
@Injectable()
export class SessionInterceptor implements NestInterceptor {
  constructor(
    private readonly connections: OpenConnections,
    @Inject(SESSION_CONFIG) private readonly config: SessionConfig,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const transport = transportOf(context);
    if (!transport) return next.handle();
    const work = transport.workOf(context);
    const handler = work && this.isFresh(context) ? afterRefresh(work, next) : next;
    return transport.settle(work, handler, { context, connections: this.connections });
  }

  /** Whether a handler gets a session that was read for its request. */
  private isFresh(context: ExecutionContext): boolean {
    const { cached, cachesSockets } = this.config;
    if (!cached) return false;
    return wantsFresh(context) || (!cachesSockets && isEventStream(context));
  }
}
