import type { HttpServer } from '@nestjs/common';
import { workOf } from '../http/exchange.js';
import type { SessionHandler } from '../http/middleware.js';
import { SessionRequest, type SessionIncomingMessage } from '../session/work.js';

/** The parts of Fastify that sessions need; its own types are not there in an Express app. */
interface Fastify {
  hasRequestDecorator(name: string): boolean;
  decorateRequest(name: string, property: { getter: Getter; setter: Setter }): unknown;
  addHook(
    name: 'preHandler',
    hook: (request: FastifyRequest, reply: Reply, done: () => void) => void,
  ): unknown;
  addHook(name: 'onRegister', hook: (context: Context) => void): unknown;
}

/** What a plugin of Fastify is given: an instance with hooks, and so middleware, of its own. */
interface Context {
  use(middleware: unknown): unknown;
}

type Getter = (this: FastifyRequest) => unknown;
type Setter = (this: FastifyRequest, value: unknown) => void;

interface FastifyRequest {
  raw: SessionIncomingMessage;
}

/** Fastify's reply, which keeps headers of its own until it writes them all at once. */
interface Reply {
  getHeaders(): Record<string, unknown>;
  header(name: string, value: unknown): unknown;
  removeHeader(name: string): unknown;
  readonly sent: boolean;
}

/** The contexts of plugins, by the instance that was prepared. */
const CONTEXTS = new WeakMap<object, Context[]>();

/**
 * Makes a Fastify app's requests show what middleware puts on Node's request, `request.session` above all, where Nest's
 * own `@Session()` looks. Does nothing on other platforms, and the second time.
 */
export function prepareFastify(adapter: HttpServer | undefined): void {
  if (adapter?.getType?.() !== 'fastify') return;
  const fastify = adapter.getInstance() as Fastify;
  if (CONTEXTS.has(fastify)) return;
  const contexts: Context[] = [];
  CONTEXTS.set(fastify, contexts);
  fastify.addHook('onRegister', (context) => void contexts.push(context));
  for (const name of ['session', 'sessionID', 'sessionStore'] as const) {
    // A session plugin of Fastify's own may have taken the name; ours is then found by `@Session()` of this package.
    if (fastify.hasRequestDecorator(name)) continue;
    fastify.decorateRequest(name, {
      getter() {
        return this.raw[name];
      },
      setter(value) {
        // `sessionID` takes any value here as it does in Express.
        (this.raw as unknown as Record<string, unknown>)[name] = value;
      },
    });
  }
  // Just before the handler's guards, when what plugins add to every answer is there.
  fastify.addHook('preHandler', (request, reply, done) => {
    const work = workOf(request.raw);
    if (work) work.replyHeaders = copyOf(reply.getHeaders());
    done();
  });
}

/** Runs `middleware` for all paths, on any platform. */
export function mountOn(adapter: HttpServer, middleware: SessionHandler): void {
  adapter.use(middleware);
  // Contexts that are there already took a copy of the middleware as it was, unless they are older than all middleware.
  for (const context of CONTEXTS.get(adapter.getInstance() as object) ?? []) {
    if (Object.hasOwn(context, 'use')) context.use(middleware);
  }
}

/** Drops the headers that a handler set on Fastify's reply; the response's own are dropped elsewhere. */
export function dropReplyHeaders(response: object, { replyHeaders }: SessionRequest): void {
  if (!replyHeaders || !isReply(response)) return;
  for (const [name, value] of Object.entries(response.getHeaders())) {
    // A list may have grown in place.
    if (value === replyHeaders[name] && !Array.isArray(value)) continue;
    response.removeHeader(name);
    if (name in replyHeaders) response.header(name, replyHeaders[name]);
  }
}

function copyOf(headers: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(headers)) if (Array.isArray(value)) headers[name] = [...value];
  return headers;
}

/** Whether a handler told Fastify that it answers by itself, so that no exception filter can any more. */
export function isHijacked(response: object): boolean {
  return isReply(response) && response.sent;
}

/** Node's request behind a platform's. */
export function rawRequest(request: object): SessionIncomingMessage {
  return 'raw' in request && isNodeRequest(request.raw) ? request.raw : (request as SessionIncomingMessage);
}

function isNodeRequest(raw: unknown): raw is SessionIncomingMessage {
  return typeof raw === 'object' && raw !== null && 'headers' in raw;
}

function isReply(response: object): response is Reply {
  return 'raw' in response && 'sent' in response && 'getHeaders' in response;
}
