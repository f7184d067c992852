import { STATUS_CODES, type ServerResponse } from 'node:http';
import { isGoneError, isStoreError, isTooLargeError } from '../contract/errors.js';
import { isCrossSiteError } from './cross-site.js';
import { isLimitError } from '../session/limits.js';
import { isReservedNameError } from '../session/names.js';

/** The `Retry-After` of a response to a failure of the store, in seconds. */
const RETRY_AFTER = '1';

/** The response to an error. */
export interface Failure {
  statusCode: number;
  message: string;
}

/** The response to an error of this package; `undefined` for any other error. */
export function failureOf(error: unknown): Failure | undefined {
  if (isGoneError(error) || isLimitError(error) || isCrossSiteError(error))
    return { statusCode: error.statusCode, message: error.message };
  // These messages are for the log: they name stores, calls and properties.
  if (isStoreError(error) || isTooLargeError(error)) return hidden(error.statusCode);
  return isReservedNameError(error) ? hidden(500) : undefined;
}

/** The response to any error: to one of another package, it is a 500 without its message. */
export function responseTo(error: unknown): Failure {
  return failureOf(error) ?? hidden(500);
}

function hidden(statusCode: number): Failure {
  return { statusCode, message: STATUS_CODES[statusCode]! };
}

/** Sends the response to a failed save, where no error handler or filter does. */
export function sendFailure(res: ServerResponse, error: unknown): void {
  const failure = responseTo(error);
  const body = JSON.stringify(failure);
  res.statusCode = failure.statusCode;
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.end(body);
}

/** Sets `Retry-After`, for a response to a failure of the store. */
export function sayWhenToRetry(res: ServerResponse): void {
  res.setHeader('Retry-After', RETRY_AFTER);
}

/** Sets `Retry-After` if `error` is a failure of the store, unless the headers were sent. */
export function sayWhenToRetryAfter(error: unknown, res: ServerResponse): void {
  if (isStoreError(error) && !res.headersSent) sayWhenToRetry(res);
}

/**
 * Keeps a handler's error beside that of its failed commit, which is the one that filters get: as its cause, or in the log
 * if it has one.
 */
export function keepBoth(
  ofCommit: unknown,
  ofHandler: unknown,
  log: (error: unknown, what: string) => void,
): void {
  if (ofCommit instanceof Error && ofCommit.cause === undefined) ofCommit.cause = ofHandler;
  else log(ofHandler, 'a handler failed, and so did the save of its session');
}

/**
 * The error that a call rejected with, or a new one if a store rejected with a falsy value, which `next` would ignore.
 */
export function reasonOf(error: unknown): unknown {
  return error || new Error('the session store failed without an error');
}
