import type { GqlSubscriptionServiceOptions, GraphQLWsSubscriptionsConfig } from '@nestjs/graphql';
import { execute as graphqlExecute, subscribe as graphqlSubscribe, type ExecutionArgs } from 'graphql';
import { checkNoOthers } from '../contract/option-checks.js';
import { Gatekeeper } from '../handshake/gatekeeper.js';
import type { SocketSessions } from '../handshake/socket-sessions.js';
import { AllowedOrigins } from '../http/origins.js';
import { sessionsFor } from '../nest/upgrades.js';
import { connectionOf, GraphqlConnection, type GraphqlWsContext, type Operate } from './connection.js';

/** The options of graphql-ws that Nest knows, and the functions that run operations. */
export type GraphqlWsOptions = GraphQLWsSubscriptionsConfig &
  Pick<GqlSubscriptionServiceOptions, 'context' | 'execute' | 'subscribe'>;

/** The options of `subscriptionsWithSessions`. */
export interface SubscriptionSessionOptions {
  /**
   * The origins, besides the server's own host, whose pages may open WebSockets with a session, such as
   * `['https://app.example.com']`. Default: none. A page of any other origin gets a WebSocket without a session.
   */
  origins?: string[] | undefined;
  /** The options of graphql-ws, as in `GraphQLModule.forRoot`; default: none. */
  'graphql-ws'?: GraphqlWsOptions | undefined;
}

/** How an app lists the origins of its other sites. */
const LIST_IT = "list it: subscriptionsWithSessions({ origins: ['https://app.example.com'] })";

const NO_MODULE =
  'subscriptionsWithSessions() needs SessionModule in the app. Import SessionModule.forRoot({ secret }) in the root module';

/**
 * Adds sessions to GraphQL operations over WebSockets: `subscriptions: subscriptionsWithSessions()` in
 * `GraphQLModule.forRoot`. Throws a `TypeError` for invalid options. A connection fails if `SessionModule` is not
 * imported.
 */
export function subscriptionsWithSessions(options: SubscriptionSessionOptions = {}): {
  'graphql-ws': GraphqlWsOptions;
} {
  const { origins, 'graphql-ws': theirs = {}, ...others } = options;
  checkNoOthers('subscriptionsWithSessions', others, 'origins, graphql-ws');
  const allowed = new AllowedOrigins(origins);
  const gatekeepers = new WeakMap<SocketSessions, Gatekeeper>();
  const { onConnect, execute = graphqlExecute, subscribe = graphqlSubscribe } = theirs;
  return {
    'graphql-ws': {
      ...theirs,
      onConnect(context) {
        const { extra } = context as GraphqlWsContext;
        const sessions = sessionsFor(extra.request);
        // graphql-ws logs it, and closes the WebSocket with code 4500.
        if (!sessions) throw new Error(NO_MODULE);
        let gatekeeper = gatekeepers.get(sessions);
        if (!gatekeeper) gatekeepers.set(sessions, (gatekeeper = new Gatekeeper(sessions, allowed, LIST_IT)));
        GraphqlConnection.open(context as GraphqlWsContext, gatekeeper, sessions);
        return onConnect?.(context);
      },
      execute: ((args) => operate(args, execute)) as typeof graphqlExecute,
      subscribe: ((args) => operate(args, subscribe as Operate)) as typeof graphqlSubscribe,
    },
  };
}

/** Runs an operation with the session of its connection. Without one, `@Session()` throws. */
function operate(args: ExecutionArgs, run: Operate): ReturnType<Operate> {
  const connection = connectionOf(args.contextValue);
  return connection ? connection.operate(args, run) : run(args);
}
