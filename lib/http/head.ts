import { validateHeaderName, validateHeaderValue, type ServerResponse } from 'node:http';
import type { Call, Response } from './patch.js';

/**
 * Checks the arguments of a `writeHead` that is applied later. Throws what Node would throw, so that the caller sees
 * it.
 */
export function checkHead(args: unknown[], statusMessage?: string): void {
  const status = Number(args[0]);
  if (!(status >= 100 && status <= 999)) {
    throw Object.assign(new RangeError(`Invalid status code: ${String(args[0])}`), {
      code: 'ERR_HTTP_INVALID_STATUS_CODE',
    });
  }
  const message = typeof args[1] === 'string' ? args[1] : statusMessage;
  if (message !== undefined) validateHeaderValue('statusMessage', message);
  for (const [name, value] of headersOf(args)) {
    validateHeaderName(name);
    for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one as string);
  }
}

/** Throws for a chunk that Node would reject later, when there is no caller to throw at. */
export function checkChunk(chunk: unknown, encoding: unknown, isEnd: boolean): void {
  if (typeof chunk === 'string' && typeof encoding === 'string' && encoding !== '') checkEncoding(encoding);
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return;
  if (isEnd && (chunk === undefined || chunk === null || typeof chunk === 'function')) return;
  throw Object.assign(
    new TypeError(`a chunk must be a string, a Buffer or a Uint8Array, not ${typeof chunk}`),
    {
      code: 'ERR_INVALID_ARG_TYPE',
    },
  );
}

function checkEncoding(encoding: string): void {
  if (Buffer.isEncoding(encoding)) return;
  throw Object.assign(new TypeError(`Unknown encoding: ${encoding}`), { code: 'ERR_UNKNOWN_ENCODING' });
}

/** Sets the headers of a `writeHead` on the response, as Node would. Returns the remaining arguments. */
function applyHead(res: ServerResponse, args: unknown[]): unknown[] {
  const headers = headersOf(args);
  for (const [name] of headers) res.removeHeader(name);
  for (const [name, value] of headers) {
    if (value !== undefined) {
      res.appendHeader(name, (typeof value === 'number' ? String(value) : value) as string | string[]);
    }
  }
  return typeof args[1] === 'string' ? [args[0], args[1]] : [args[0]];
}

/** What sets headers of its own on a response. */
export interface CarriesHeaders {
  takeHeaders(): ((res: ServerResponse) => void) | undefined;
}

/** Sends the first call of a response, with the session's headers. */
export function sendFirst(res: Response, [method, args, original]: Call, session: CarriesHeaders): unknown {
  const put = session.takeHeaders();
  if (!put) return original.apply(res, args);
  // After the headers of `writeHead`, which would otherwise replace them.
  const left = method === 'writeHead' ? applyHead(res, args) : args;
  put(res);
  return original.apply(res, left);
}

/** The headers of a `writeHead`, in any form that Node takes: an object, a flat array or an array of pairs. */
function headersOf(args: unknown[]): [string, unknown][] {
  const headers = typeof args[1] === 'string' ? args[2] : (args[1] ?? args[2]);
  if (headers === undefined || headers === null) return [];
  if (!Array.isArray(headers)) return Object.entries(headers as object).filter(([name]) => name !== '');
  if (Array.isArray(headers[0])) return headers as [string, unknown][];
  const pairs: [string, unknown][] = [];
  for (let at = 0; at < headers.length; at += 2) pairs.push([String(headers[at]), headers[at + 1]]);
  return pairs;
}
