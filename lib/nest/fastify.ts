import type { HttpServer } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { exchangeOf } from '../http/attached.js';
import type { SessionIncomingMessage } from '../http/exchange.js';
import type { SessionHandler } from '../http/middleware.js';
import { sealOf } from '../http/patch.js';

/** The parts of Fastify that sessions need. Its own types are not installed in an Express app. */
interface Fastify {
  hasRequestDecorator(name: string): boolean;
  decorateRequest(name: string, property: { getter: Getter; setter: Setter }): unknown;
  addHook(
    name: 'onRequest' | 'preHandler',
    hook: (request: FastifyRequest, reply: Reply, done: () => void) => void,
  ): unknown;
  addHook(name: 'onRegister', hook: (context: Context) => void): unknown;
}

/** The instance that a Fastify plugin gets. It has hooks, and so middleware, of its own. */
interface Context {
  use(middleware: unknown): unknown;
}

type Getter = (this: FastifyRequest) => unknown;
type Setter = (this: FastifyRequest, value: unknown) => void;

interface FastifyRequest {
  raw: SessionIncomingMessage;
}

/** The property of a reply that has its headers from before the handler ran. */
const BEFORE = Symbol('before');

/** Fastify's reply. It has headers of its own, which it writes all at once. */
interface Reply {
  [BEFORE]?: Record<string, unknown>;
  getHeaders(): Record<string, unknown>;
  header(name: string, value: unknown): unknown;
  removeHeader(name: string): unknown;
  readonly sent: boolean;
  readonly raw: ServerResponse;
}

/** Prepared Fastify instance → the contexts of its plugins. */
const CONTEXTS = new WeakMap<object, Context[]>();

/**
 * Gives Fastify's requests the properties that middleware puts on Node's request, above all `request.session`, which
 * Nest's own `@Session()` reads. Does nothing on other platforms, or when it was called before.
 */
export function prepareFastify(adapter: HttpServer | undefined): void {
  if (adapter?.getType?.() !== 'fastify') return;
  const fastify = adapter.getInstance() as Fastify;
  if (CONTEXTS.has(fastify)) return;
  const contexts: Context[] = [];
  CONTEXTS.set(fastify, contexts);
  fastify.addHook('onRegister', (context) => void contexts.push(context));
  for (const name of ['session', 'sessionID', 'sessionStore'] as const) {
    // A session plugin for Fastify may have taken the name. The `@Session()` of this package still finds our session.
    if (fastify.hasRequestDecorator(name)) continue;
    fastify.decorateRequest(name, {
      getter() {
        return this.raw[name];
      },
      setter(value) {
        // As in Express, `sessionID` takes any value.
        (this.raw as unknown as Record<string, unknown>)[name] = value;
      },
    });
  }
  fastify.addHook('onRequest', (_request, reply, done) => {
    Object.defineProperty(reply, 'sent', SENT);
    done();
  });
  // Runs just before the handler's guards, when plugins have added their headers to the reply.
  fastify.addHook('preHandler', (request, reply, done) => {
    if (exchangeOf(request.raw)) reply[BEFORE] = copyOf(reply.getHeaders());
    done();
  });
}

/**
 * The `sent` of a reply, which is true for a held response too. Fastify derives it from `writableEnded`, which is false
 * then, and it sends a reply that is not sent a second time. A property of each reply, because Fastify does not let
 * plugins decorate a name that it uses.
 */
const SENT: PropertyDescriptor = {
  configurable: true,
  enumerable: true,
  get(this: Reply): boolean {
    const seal = sealOf(this.raw);
    return (
      seal?.holds ||
      seal?.ends ||
      (Reflect.get(Object.getPrototypeOf(this) as object, 'sent', this) as boolean)
    );
  },
};

/** Runs `middleware` for all paths, on any platform. */
export function mountOn(adapter: HttpServer, middleware: SessionHandler): void {
  adapter.use(middleware);
  // Existing contexts have copied the middleware of their parent, except those that are older than any middleware.
  for (const context of CONTEXTS.get(adapter.getInstance() as object) ?? []) {
    if (Object.hasOwn(context, 'use')) context.use(middleware);
  }
}

/** Drops the headers that a handler set on Fastify's reply. `dropHeaders` drops those of Node's response. */
export function dropReplyHeaders(response: object): void {
  if (!isReply(response)) return;
  const before = response[BEFORE];
  if (!before) return;
  for (const [name, value] of Object.entries(response.getHeaders())) {
    // An array may have grown in place.
    if (value === before[name] && !Array.isArray(value)) continue;
    response.removeHeader(name);
    if (name in before) response.header(name, before[name]);
  }
}

function copyOf(headers: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(headers)) if (Array.isArray(value)) headers[name] = [...value];
  return headers;
}

/** Whether a handler has hijacked the reply or sent it, so that no exception filter can respond any more. */
export function isHijacked(response: object): boolean {
  return isReply(response) && response.sent;
}

/** Node's request of a platform's request. */
export function rawRequest(request: object): SessionIncomingMessage {
  return 'raw' in request && isNodeRequest(request.raw) ? request.raw : (request as SessionIncomingMessage);
}

function isNodeRequest(raw: unknown): raw is SessionIncomingMessage {
  return typeof raw === 'object' && raw !== null && 'headers' in raw;
}

function isReply(response: object): response is Reply {
  return 'raw' in response && 'sent' in response && 'getHeaders' in response;
}
