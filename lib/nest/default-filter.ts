import type { ArgumentsHost, HttpServer } from '@nestjs/common';
import { BaseExceptionFilter, type AbstractHttpAdapter } from '@nestjs/core';
import { failureOf, type Failure } from '../http/failure.js';
import { isReservedNameError } from '../session/names.js';

/** Whether Nest's filter is wrapped, by this copy of the package or another. */
const WRAPPED = Symbol.for('nestjs-session-stores/default-filter');

/**
 * Makes Nest's default filter keep the messages of our errors from clients. It ignores `expose` before 11.2.8 and
 * 12.2.0, and sends the message of any error with a `statusCode`.
 *
 * A filter of our own could not do that: it would have to run after every filter of the app, and a filter of the app
 * that extends Nest's would still pass it our error.
 */
export function hideMessages(): void {
  const filter = BaseExceptionFilter.prototype as BaseExceptionFilter & { [WRAPPED]?: boolean };
  if (filter[WRAPPED]) return;
  const { handleUnknownError } = filter;
  Object.defineProperty(filter, WRAPPED, { value: true });
  filter.handleUnknownError = function (
    this: BaseExceptionFilter,
    exception: unknown,
    host: ArgumentsHost,
    adapter: AbstractHttpAdapter | HttpServer,
  ): void {
    // It hides the message of an error without a status by itself.
    const failure = isReservedNameError(exception) ? undefined : failureOf(exception);
    handleUnknownError.call(this, exception, host, failure ? withBody(adapter, failure) : adapter);
  };
}

/** An adapter that replies with a failure, whatever the body. */
function withBody<Adapter extends object>(adapter: Adapter, failure: Failure): Adapter {
  const reply = (response: unknown): unknown =>
    (adapter as HttpServer).reply(response, failure, failure.statusCode);
  return new Proxy(adapter, {
    get(target, name) {
      if (name === 'reply') return reply;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
