import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { SessionRecord } from 'nestjs-session-stores/store';
import { aRecord } from '../record.js';

export const MAIN = fileURLToPath(new URL('../../dist/lib/cli/main.js', import.meta.url));
/** The modules that are loaded before the command line. */
const preload = (file: string): string[] => ['--import', pathToFileURL(join(import.meta.dirname, file)).href];

/** How a command is run. */
export interface How {
  env?: Record<string, string>;
  /** Whether its streams look like a terminal to it. */
  terminal?: boolean;
  /** Whether its output leaves the process late. */
  slow?: boolean;
  /** What is typed. */
  input?: string;
  cwd?: string;
}

/** A terminal without colors. */
export const PLAIN: How = { terminal: true, env: { NO_COLOR: '1' } };

/** How a command ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** How long the process lived, in milliseconds. */
  took: number;
}

/** A command that is running. */
export class Command {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;
  readonly process: ChildProcessWithoutNullStreams;

  constructor(args: readonly string[], { env = {}, terminal = false, slow = false, cwd }: How = {}) {
    const begun = performance.now();
    const preloads = [...(terminal ? preload('terminal.mjs') : []), ...(slow ? preload('slow.mjs') : [])];
    this.process = spawn(process.execPath, [...preloads, MAIN, ...args], {
      env: { PATH: process.env['PATH'], ...env },
      cwd,
    });
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    // A command that has ended reads no more.
    this.process.stdin.on('error', () => {});
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('close', (code) => {
        const { stdout, stderr } = this;
        resolve({ code, stdout, stderr, took: performance.now() - begun });
      });
    });
  }

  /** The lines of JSON that it has printed. */
  get json(): Record<string, unknown>[] {
    return jsonIn(this.stdout);
  }
}

/** Runs a command until it ends by itself. */
export function run(args: readonly string[], how: How = {}): Promise<Ended> {
  const command = new Command(args, how);
  command.process.stdin.end(how.input);
  return command.ended;
}

/** The values of lines of JSON. */
export function jsonIn(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A live session that expires in half an hour. */
export function recordOf(record: Partial<SessionRecord> & { id: string }, now: number): SessionRecord {
  return aRecord(record.id, { data: {}, createdAt: now, expiresAt: now + 30 * 60_000, ...record });
}
