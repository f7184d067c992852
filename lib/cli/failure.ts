import { isStoreError } from '../contract/errors.js';
import { UsageError } from './exit.js';

/** What is printed of an error: its message, and the causes that say more. No session data. */
export function explain(error: unknown): string {
  const lines: string[] = [messageOf(error)];
  let cause = causeOf(error);
  for (let depth = 0; cause !== undefined && depth < MOST_CAUSES; depth++) {
    const line = messageOf(cause);
    if (!lines.some((other) => other.includes(line))) lines.push(line);
    cause = causeOf(cause);
  }
  return lines.join('\n  cause: ');
}

const MOST_CAUSES = 3;

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is not an Error was thrown';
  if (error instanceof SyntaxError && !('statusCode' in error)) return `SyntaxError: ${syntaxProblem(error)}`;
  const { code } = error as NodeJS.ErrnoException;
  const kind =
    isStoreError(error) || error instanceof UsageError || error.name === 'Error' ? '' : `${error.name}: `;
  if (error.message !== '') return `${kind}${error.message}`;
  // Such as the error of several attempts to connect.
  return `${kind}${code ?? 'no message'}`;
}

/** What is wrong, without what was parsed, which may be session data or a secret of a config. */
function syntaxProblem({ message, stack }: SyntaxError): string {
  // Quotes names of modules and exports only.
  if (/^The requested module .* does not provide an export named/.test(message)) return message;
  const [, frame = ''] = /^\s+at (.*)/m.exec(String(stack)) ?? [];
  return /node:internal\/(modules|vm)/.test(frame)
    ? 'a file is not valid JavaScript. node --check shows where'
    : 'something is not valid JSON';
}

function causeOf(error: unknown): unknown {
  if (error instanceof AggregateError) return error.errors[0];
  return (error as Error | undefined)?.cause;
}
