import { createRequire } from 'node:module';
import { Command, InvalidArgumentError, type OutputConfiguration } from 'commander';
import { onConfig, onStore, type CommonFlags, type Surroundings } from './command.js';
import { clear } from './commands/clear.js';
import { count } from './commands/count.js';
import { destroy } from './commands/destroy.js';
import { doctor, type DoctorFlags } from './commands/doctor.js';
import { list, type ListFlags } from './commands/list.js';
import { show } from './commands/show.js';
import { watch } from './commands/watch.js';
import { checkConfirmable } from './confirm.js';
import { UsageError } from './exit.js';

/**
 * The commands and their options.
 *
 * @param surroundings where a command runs
 * @param write where help and the problems of options are written
 * @param ended called with the exit code of the command
 */
export function programFor(
  surroundings: Surroundings,
  write: OutputConfiguration,
  ended: (exitCode: number) => void,
): Command {
  const program = new Command('nestjs-session-stores')
    .description('Shows and destroys the sessions of a store, and examines how it is set up.')
    .version(version())
    .exitOverride()
    .configureOutput(write)
    .addHelpText('after', EXIT_CODES);

  const command = (name: string, description: string): Command =>
    withStoreOptions(program.command(name).description(description));

  command('count', 'count the live sessions')
    .option('--group <name>', 'only those of a group')
    .action(async (flags: CommonFlags & { group?: string }) => {
      ended(await onStore(flags, surroundings, (context) => count(context, flags.group)));
    });

  command('list', 'list the live sessions')
    .option('--group <name>', 'only those of a group')
    .option('--limit <number>', 'at most so many (default: all)', positive)
    .option('--data', 'with their data and clients')
    .action(async (flags: CommonFlags & ListFlags) => {
      ended(await onStore(flags, surroundings, (context) => list(context, flags)));
    });

  command('show <id>', 'show a session')
    .option('--data', 'with its data and clients')
    .action(async (id: string, flags: CommonFlags & { data?: boolean }) => {
      ended(await onStore(flags, surroundings, (context) => show(context, id, flags.data === true)));
    });

  command('destroy <id>', 'destroy a session')
    .option('--yes', 'without a confirmation')
    .action(async (id: string, flags: CommonFlags & { yes?: boolean }) => {
      checkConfirmable('destroy', flags.yes);
      ended(await onStore(flags, surroundings, (context) => destroy(context, id, flags.yes)));
    });

  command('clear', 'destroy the sessions of a group, or all sessions')
    .option('--group <name>', 'those of a group')
    .option('--all', 'all sessions')
    .option('--yes', 'without a confirmation')
    .action(async (flags: CommonFlags & { group?: string; all?: boolean; yes?: boolean }) => {
      const { group, all, yes } = flags;
      if ((group === undefined) === (all === undefined))
        throw new UsageError('clear needs either --group with a name, or --all');
      checkConfirmable('clear', yes);
      ended(await onStore(flags, surroundings, (context) => clear(context, group, yes)));
    });

  command('watch', 'print every change to a session as it happens').action(async (flags: CommonFlags) => {
    ended(await onStore(flags, surroundings, watch));
  });

  command('doctor', 'examine the store and the options of the session module')
    .option('--hazelcast-config <file>', 'the member.yaml of the Hazelcast cluster')
    .option('--verbose', 'also print what is right')
    .action(async (flags: CommonFlags & DoctorFlags) => {
      ended(await onConfig(flags, surroundings, (examination) => doctor(examination, flags)));
    });

  return program;
}

function withStoreOptions(command: Command): Command {
  return command
    .option('--store <name>', 'redis, mongo or hazelcast')
    .option('--url <url>', 'the address of its server (default: SESSION_STORE_URL of the environment)')
    .option('--prefix <text>', 'redis, hazelcast: the start of all keys')
    .option('--cluster', 'redis: the URL is that of a node of a Redis Cluster')
    .option('--collection <name>', 'mongo: the collection (default: sessions)')
    .option('--cluster-name <name>', 'hazelcast: the name of the cluster (default: dev)')
    .option('--map-name <name>', 'hazelcast: the map of the sessions (default: Sessions)')
    .option('--timeout <ms>', 'how long a call to the server may take (default: 2000)', positive)
    .option('--config <file>', 'a module that exports the store, instead of the options above')
    .option('--json', 'lines of JSON, which is what a pipe gets without it');
}

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such session, or a risk found by doctor.
https://www.npmjs.com/package/nestjs-session-stores`;

function positive(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number, 1 or more.');
  return number;
}

function version(): string {
  const require = createRequire(import.meta.url);
  return (require('nestjs-session-stores/package.json') as { version: string }).version;
}
