import { createInterface } from 'node:readline/promises';
import { UsageError } from './exit.js';
import type { Interruption } from './interruption.js';
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
  interruption: Interruption,
): Promise<boolean> {
  if (yes) return true;
  const { signal } = interruption;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // It reads Ctrl-C as a key, so that there is no signal.
  terminal.once('SIGINT', () => interruption.endBy('SIGINT'));
  try {
    const closed = new Promise<string>((resolve) => void terminal.once('close', () => resolve('')));
    // Newer versions of Node reject it when the input ends.
    const asked = terminal.question(`${output.hidden(question)} [y/N] `, { signal }).catch(() => '');
    const typed = await Promise.race([asked, closed]);
    if (!signal.aborted && /^y(es)?$/i.test(typed.trim())) return true;
    output.note('Nothing was destroyed.');
    signal.throwIfAborted();
    return false;
  } finally {
    terminal.close();
  }
}
