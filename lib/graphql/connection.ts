import { GraphQLError, type ExecutionArgs, type ExecutionResult } from 'graphql';
import type { IncomingMessage } from 'node:http';
import type { SocketExchange } from '../handshake/exchange.js';
import type { Gatekeeper } from '../handshake/gatekeeper.js';
import { RejectedMessage, type SocketSession } from '../handshake/session.js';
import type { SocketSessions } from '../handshake/socket-sessions.js';
import { addOperation, isOperation } from '../nest/transports/graphql.js';
import type { EndReason } from '../session/connections.js';
import { resultOf, withoutDetails } from './failures.js';

/** What graphql-ws knows about a connection. */
export interface GraphqlWsContext {
  readonly extra: { readonly socket: RawWebSocket; readonly request: IncomingMessage };
}

/** A WebSocket of `ws`. */
interface RawWebSocket {
  close(code: number, reason: string): void;
  once(event: 'close', listener: () => void): void;
}

/** The result of an operation, or those of a subscription. */
type Result = ExecutionResult | AsyncIterable<ExecutionResult>;

/** Runs an operation: `execute` or `subscribe` of graphql, or of the app. */
export type Operate = (args: ExecutionArgs) => Result | Promise<Result>;

/** How a WebSocket is closed. Clients of graphql-ws give up after 4401, and connect again after 4403. */
const CLOSING: Record<EndReason, [code: number, reason: string]> = {
  ended: [4401, 'the session has ended'],
  replaced: [4403, 'the secret of the session was replaced. Connect again'],
};

const connections = new WeakMap<object, GraphqlConnection>();

/**
 * The connection of an operation, by its context: graphql-ws' own, or one whose `req` is that or the upgrade request.
 * `undefined` for any other.
 */
export function connectionOf(context: unknown): GraphqlConnection | undefined {
  if (!isObject(context)) return undefined;
  const { req } = context as { req?: unknown };
  return connections.get(context) ?? (isObject(req) ? connections.get(req) : undefined);
}

/** A connection of graphql-ws, whose operations run with its session. */
export class GraphqlConnection {
  readonly #session: SocketSession;
  readonly #sessions: SocketSessions;

  private constructor(session: SocketSession, sessions: SocketSessions) {
    this.#session = session;
    this.#sessions = sessions;
  }

  /** Gives a connection its session, and lets `connectionOf` find it. */
  static open(context: GraphqlWsContext, gatekeeper: Gatekeeper, sessions: SocketSessions): void {
    const { socket, request } = context.extra;
    const session = gatekeeper.admit(request, (reason) => socket.close(...CLOSING[reason]));
    const connection = new GraphqlConnection(session, sessions);
    connections.set(context, connection);
    connections.set(request, connection);
    socket.once('close', () => session.leave());
    session.open();
  }

  /**
   * Runs an operation with the session as it is stored now. Its changes are saved before its result, or before the first
   * event of a subscription.
   */
  operate(args: ExecutionArgs, run: Operate): Promise<Result> {
    const result = this.#operate(args, run);
    this.#sessions.during(result);
    return result;
  }

  async #operate(args: ExecutionArgs, run: Operate): Promise<Result> {
    const session = this.#session;
    const exchange = session.exchange();
    let isLast = false;
    try {
      const rejection = await this.#begin(exchange);
      if (rejection) return rejection;
      const result = await this.#saved(() => run(withSession(args, exchange)), exchange);
      if (isIterable(result) || !(exchange.work.hasEnded || session.isEnding)) return result;
      // It may be what ended the session, such as a logout.
      isLast = true;
      return lastResult(result, () => session.finish(exchange));
    } finally {
      if (!isLast) session.finish(exchange);
    }
  }

  /** Begins an operation. Resolves to the response if it is rejected. */
  async #begin(exchange: SocketExchange): Promise<ExecutionResult | undefined> {
    try {
      await this.#session.begin(exchange);
      return undefined;
    } catch (error) {
      if (error instanceof RejectedMessage) return { errors: [new GraphQLError(error.message)] };
      exchange.failedLate(error, 'an operation was rejected, because its session could not be read');
      return resultOf(error);
    }
  }

  /** Runs an operation, and saves its changes, even if it throws. If they cannot be saved, the result is that error. */
  async #saved(run: () => Result | Promise<Result>, exchange: SocketExchange): Promise<Result> {
    let result: Result;
    try {
      result = await run();
    } catch (error) {
      await this.#commit(exchange);
      throw error;
    }
    const failure = await this.#commit(exchange);
    if (!isIterable(result)) return failure ?? withoutDetails(result);
    if (!failure) return result;
    await result[Symbol.asyncIterator]().return?.();
    return failure;
  }

  /** Saves the changes of an operation. Resolves to the response if that fails. */
  async #commit(exchange: SocketExchange): Promise<ExecutionResult | undefined> {
    const { work } = exchange;
    const commit = work.commit();
    if (commit) {
      this.#session.wait(commit);
      // Its error is the work's failure.
      await commit.catch(() => {});
    }
    if (!work.failure) return undefined;
    exchange.failedLate(work.failure.error);
    return resultOf(work.failure.error);
  }
}

/** The arguments of an operation whose resolvers find its session. */
function withSession(args: ExecutionArgs, exchange: SocketExchange): ExecutionArgs {
  let context = args.contextValue as object;
  // The app may use one context for several operations.
  if (isOperation(context))
    context = Object.assign(
      Object.create(Object.getPrototypeOf(context) as object | null) as object,
      context,
    );
  addOperation(context, exchange);
  return { ...args, contextValue: context };
}

/** Emits the last result of a connection, and calls `sent` when it and the end of its operation were sent. */
async function* lastResult(result: ExecutionResult, sent: () => void): AsyncGenerator<ExecutionResult, void> {
  try {
    yield result;
  } finally {
    setImmediate(sent);
  }
}

function isIterable(result: Result): result is AsyncIterable<ExecutionResult> {
  return Symbol.asyncIterator in result;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
