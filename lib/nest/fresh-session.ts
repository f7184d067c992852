import { SetMetadata, type CallHandler, type CustomDecorator, type ExecutionContext } from '@nestjs/common';
import { defer, mergeMap } from 'rxjs';
import { hasMetadata } from './metadata.js';
import type { HandlerWork } from './transports/transport.js';

const FRESH = Symbol.for('nestjs-session-stores/fresh/1');

/**
 * Reads the session again before the handler runs, if the request got it from the option `cache`: `@FreshSession()` on a
 * handler or a class. Guards run before that.
 */
export function FreshSession(): CustomDecorator<symbol> {
  return SetMetadata(FRESH, true);
}

/** Whether a handler, or its class, has `@FreshSession()`. */
export function wantsFresh(context: ExecutionContext): boolean {
  return hasMetadata(context, FRESH);
}

/** A handler that runs once the session was read. */
export function afterRefresh(work: HandlerWork, handler: CallHandler): CallHandler {
  return { handle: () => defer(() => work.refresh()).pipe(mergeMap(() => handler.handle())) };
}
