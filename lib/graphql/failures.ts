import { GraphQLError, type ExecutionResult } from 'graphql';
import { failureOf, responseTo, type Failure } from '../http/failure.js';

/** The result of an operation that failed with `error`: no data, and no details meant for the log. */
export function resultOf(error: unknown): ExecutionResult {
  const failure = responseTo(error);
  return { errors: [new GraphQLError(failure.message, { extensions: extensionsOf(failure) })] };
}

/**
 * A result whose errors do not have the messages of ours. Nest runs no interceptors after a guard has failed, and over a
 * WebSocket no `formatError`.
 */
export function withoutDetails(result: ExecutionResult): ExecutionResult {
  return result.errors ? { ...result, errors: result.errors.map(hideDetails) } : result;
}

function hideDetails(error: GraphQLError): GraphQLError {
  const failure = failureOf(error.originalError);
  if (!failure) return error;
  const { nodes, source, positions, path } = error;
  return new GraphQLError(failure.message, {
    nodes,
    source,
    positions,
    path,
    extensions: extensionsOf(failure),
  });
}

/** As the Apollo driver reports an error over HTTP. */
function extensionsOf({ statusCode }: Failure): Record<string, unknown> {
  const code = statusCode === 401 ? 'UNAUTHENTICATED' : 'INTERNAL_SERVER_ERROR';
  return { code, status: statusCode };
}
