import { Console } from 'node:console';
import { CommanderError, type Command } from 'commander';
import { placeOf } from './config.js';
import { EXIT, UsageError } from './exit.js';
import { explain } from './failure.js';
import { Interrupted, Interruption } from './interruption.js';
import { Mask } from './mask.js';
import { Output } from './output.js';
import { programFor } from './program.js';

/** Runs a command line. Sets the exit code of the process, which then ends by itself. */
export async function run(args: readonly string[]): Promise<void> {
  // Whatever a driver or a config logs is no part of the result.
  globalThis.console = new Console(process.stderr, process.stderr);
  const mask = new Mask();
  // A mistyped option or argument is repeated in its error.
  for (const arg of args) mask.addCredentials(arg);
  const interruption = new Interruption();
  const output = new Output(mask, interruption);
  interruption.listen();
  const settled = watchProcess(output);
  process.exitCode = await exitCodeOf(args, output, interruption, mask);
  settled();
  interruption.ignore();
  // `less` may take its time to read the result.
  await output.flushed();
  if (output.hasFailed) process.exitCode = EXIT.failed;
  endSoon(output, interruption);
}

/**
 * Reports if the process ends before the command does, or an error that nothing catches: a driver or a config may cause
 * both. Returns a function that says that the command has ended.
 */
function watchProcess(output: Output): () => void {
  const ended = (): void => {
    output.problem(
      'the process ended before the command did: a call never settles, or a config calls process.exit()',
    );
    process.exitCode = EXIT.failed;
  };
  process.once('exit', ended);
  // Node would print it with its line of code, and with the credentials in both.
  process.on('uncaughtException', (error) => {
    process.off('exit', ended);
    output.problem(explain(new Error(`an error was not caught${placeOf(error)}`, { cause: error })));
    process.exit(EXIT.failed);
  });
  return () => void process.off('exit', ended);
}

async function exitCodeOf(
  args: readonly string[],
  output: Output,
  interruption: Interruption,
  mask: Mask,
): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = programFor(
    { output, interruption, mask },
    {
      writeOut: (text) => void process.stdout.write(text),
      writeErr: (text) => void process.stderr.write(output.hidden(text)),
    },
    (code) => (exitCode = code),
  );
  try {
    await program.parseAsync(withIdLast(args, program), { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    // Commander has printed what is wrong, or the help that was requested.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    output.problem(explain(error));
    return error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}

/** The arguments with an id that starts with `-`, as one of 64 does, behind `--`: before it would be an option. */
function withIdLast(args: readonly string[], { commands }: Command): readonly string[] {
  const options = commands.flatMap((command) => command.options).filter(({ required }) => required);
  const valued = new Set(options.map(({ long }) => long));
  const id = args.findIndex(
    // The name of a group, a prefix or a map may look like an id.
    (arg, at) => /^-(?:[\w-]{31}|[\w-]{42})$/.test(arg) && !valued.has(args[at - 1]),
  );
  if (id === -1 || args.includes('--')) return args;
  return [...args.slice(0, id), ...args.slice(id + 1), '--', args[id]!];
}

/** How long what the command has left open may keep the process, in milliseconds. */
const PATIENCE = 1000;

/** Ends the process if something that a config has opened would keep it. */
function endSoon(output: Output, { signal }: Interruption): void {
  setTimeout(() => {
    // An interrupted one had no time to close it.
    if (!signal.aborted)
      output.note('The config has left something open. Export a function close() that closes it.');
    process.exit();
  }, PATIENCE).unref();
}
