import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { OpenConnections } from '../session/connections.js';
import { transportOf } from './transports/index.js';

/** Commits the session of a handler, so that a failed commit reaches exception filters. */
@Injectable()
export class SessionInterceptor implements NestInterceptor {
  constructor(private readonly connections: OpenConnections) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const transport = transportOf(context);
    if (!transport) return next.handle();
    return transport.settle(transport.workOf(context), next, { context, connections: this.connections });
  }
}
