import { once } from 'node:events';
import { styleText } from 'node:util';
import type { WriteStream } from 'node:tty';
import { EXIT } from './exit.js';
import type { Interruption } from './interruption.js';
import type { Mask } from './mask.js';
import { jsonLine, printable } from './text.js';

/** How a terminal shows a text. */
export type Style = 'bold' | 'green' | 'red' | 'yellow';

/** Where a command writes: its result to stdout, everything else to stderr. */
export class Output {
  /** Whether results are tables and sentences. If not, each is a line of JSON. */
  isForPeople: boolean;
  #isClosed = false;
  #hasFailed = false;
  #hasStatus = false;

  constructor(
    private readonly mask: Mask,
    private readonly interruption: Interruption,
    private readonly stdout: WriteStream = process.stdout,
    private readonly stderr: WriteStream = process.stderr,
  ) {
    this.isForPeople = stdout.isTTY;
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      // Each write to a full disk fails.
      if (this.#isClosed) return;
      this.#isClosed = true;
      // `head` has read enough.
      if (error.code === 'EPIPE') return interruption.end(EXIT.done);
      this.#hasFailed = true;
      this.problem(`the output cannot be written: ${error.message}`);
      interruption.end(EXIT.failed);
    });
    // There is no place left to report it.
    stderr.on('error', () => {});
  }

  /** Whether a part of the result could not be written. Known of all of it after {@link flushed}. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Whether stdout takes more without keeping it in memory. */
  get hasRoom(): boolean {
    return !this.stdout.writableNeedDrain;
  }

  /** Writes lines of the result. Waits until their reader has room for more. */
  async lines(lines: readonly string[]): Promise<void> {
    if (lines.length === 0 || this.#isClosed || this.stdout.write(`${lines.join('\n')}\n`)) return;
    await this.room();
  }

  /** Writes values of the result as lines of JSON. */
  json(...values: unknown[]): Promise<void> {
    return this.lines(values.map(jsonLine));
  }

  /** Resolves once stdout takes more. */
  async room(): Promise<void> {
    if (this.hasRoom || this.#isClosed) return;
    await once(this.stdout, 'drain', { signal: this.interruption.signal }).catch(() => {
      this.interruption.signal.throwIfAborted();
    });
  }

  /** Resolves once everything that was written to stdout has left the process, or cannot. */
  flushed(): Promise<void> {
    return new Promise((resolve) => void this.stdout.write('', () => resolve()));
  }

  /** Writes a line about the command to stderr. */
  note(text: string): void {
    this.status('');
    this.stderr.write(`${this.hidden(text)}\n`);
  }

  /** Writes to stderr that something failed. */
  problem(text: string): void {
    this.status('');
    this.stderr.write(`${this.#style(this.stderr, 'red', 'error:')} ${this.hidden(text)}\n`);
  }

  /** Shows a text on the last line of the terminal, in place of the one before; `''` removes it. */
  status(text: string): void {
    if (!this.stderr.isTTY || (text === '' && !this.#hasStatus)) return;
    this.#hasStatus = text !== '';
    this.stderr.write(`\r\u001b[K${this.hidden(text)}`);
  }

  /** A text in a style, if the terminal has colors and `NO_COLOR` is not set. */
  styled(style: Style, text: string): string {
    return this.isForPeople ? this.#style(this.stdout, style, text) : text;
  }

  /** A text without credentials, whose lines are printable. */
  hidden(text: string): string {
    return this.mask.hide(text).split('\n').map(printable).join('\n');
  }

  #style(stream: WriteStream, style: Style, text: string): string {
    return stream.isTTY && stream.hasColors() ? styleText(style, text) : text;
  }
}
