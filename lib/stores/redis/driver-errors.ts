/** A driver's error as a cause: without the commands, whose arguments are session data or a password. */
export function withoutCommands(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message, stack } = error;
  const known = error as { command?: unknown; lastNodeError?: unknown };
  delete known.command;
  withoutCommands(known.lastNodeError);
  // For an unknown command, the server's message repeats its arguments.
  error.message = message.replace(ARGUMENTS, '');
  if (stack !== undefined) error.stack = stack.replace(ARGUMENTS, '');
  return error;
}

/** Whether a connection was closed by the server, without an error or with one that says no more. */
export function isClosing(error: unknown): boolean {
  return error === undefined || /^(ECONNRESET|EPIPE)$/.test(String((error as NodeJS.ErrnoException).code));
}

/** Whether the driver ended a connection because its server did not respond. */
export function isSilence(error: unknown): boolean {
  return messageOf(error).startsWith('Socket timeout');
}

/** The message of an error; empty for a value that is none. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

const ARGUMENTS = /, with args beginning with:.*/;
