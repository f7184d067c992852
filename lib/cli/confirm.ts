import { createInterface } from 'node:readline/promises';
import { UsageError } from './exit.js';
import type { Output } from './output.js';

/** Throws a `UsageError` for a command that destroys sessions if nothing can confirm it. */
export function checkConfirmable(command: string, yes: boolean | undefined): void {
  if (yes || (process.stdin.isTTY && process.stderr.isTTY)) return;
  throw new UsageError(`${command} destroys sessions, and there is no terminal to confirm it on: add --yes`);
}

/** Asks a question on the terminal, unless it was confirmed with `--yes`. */
export async function confirm(
  question: string,
  yes: boolean | undefined,
  output: Output,
  signal: AbortSignal,
): Promise<boolean> {
  if (yes) return true;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const closed = new Promise<string>((resolve) => void terminal.once('close', () => resolve('')));
    // Newer versions of Node reject it when the input ends.
    const asked = terminal.question(`${output.hidden(question)} [y/N] `, { signal }).catch(() => '');
    const typed = await Promise.race([asked, closed]);
    signal.throwIfAborted();
    if (/^y(es)?$/i.test(typed.trim())) return true;
    output.note('Nothing was destroyed.');
    return false;
  } finally {
    terminal.close();
  }
}
