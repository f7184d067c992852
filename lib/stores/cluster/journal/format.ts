import { crc32 } from 'node:zlib';

/**
 * The first line of a journal. `first` is the number of its first entry, `acknowledged` that of the last entry whose
 * write was acknowledged: if a later read finds fewer entries, some were lost.
 */
export interface JournalHeader {
  first: number;
  acknowledged: number;
}

const MAGIC = 'nestjs-session-stores/journal/';
const VERSION = '1';
const DIGITS = 16;
const NEWLINE = 10;
const CHECKSUM_DIGITS = 8;

/** The length of the first line, which is overwritten in place. */
export const HEADER_BYTES = CHECKSUM_DIGITS + 1 + MAGIC.length + VERSION.length + 2 * (1 + DIGITS) + 1;

/** The first line of a journal, always as long as `HEADER_BYTES`. */
export function encodeHeader({ first, acknowledged }: JournalHeader): string {
  return line(`${MAGIC}${VERSION} ${padded(first)} ${padded(acknowledged)}`);
}

/**
 * Reads the first line. Returns `undefined` if it is damaged, and the version alone if it was written by another version
 * of this package.
 */
export function decodeHeader(bytes: Buffer): JournalHeader | { version: string } | undefined {
  const text = checked(bytes.subarray(0, -1));
  if (bytes.at(-1) !== NEWLINE || !text?.startsWith(MAGIC)) return undefined;
  const [version, first, acknowledged] = text.slice(MAGIC.length).split(' ') as [string, string, string];
  return version === VERSION ? { first: Number(first), acknowledged: Number(acknowledged) } : { version };
}

/** An entry as a line: its checksum, its number, and its JSON. */
export function encodeEntry(number: number, entry: unknown): string {
  return line(`${number} ${JSON.stringify(entry)}`);
}

/**
 * The entry in a line without its line feed. `undefined` unless the checksum is right and the number is the expected one,
 * which it is not if lines are missing or occur twice.
 */
export function decodeEntry(bytes: Buffer, expected: number): unknown {
  const text = checked(bytes);
  const number = String(expected);
  if (!text?.startsWith(`${number} `)) return undefined;
  return JSON.parse(text.slice(number.length + 1));
}

/** The lines of a file that is read in pieces. A line ends with a line feed, which JSON has no other use for. */
export class Lines {
  private rest: Buffer[] = [];

  /** The lines that are complete with this piece, without their line feeds. */
  of(piece: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      const last = piece.subarray(from, end);
      lines.push(this.rest.length > 0 ? Buffer.concat([...this.rest, last]) : last);
      this.rest = [];
      from = end + 1;
    }
    if (from < piece.length) this.rest.push(piece.subarray(from));
    return lines;
  }
}

function line(text: string): string {
  return `${checksum(text)} ${text}\n`;
}

/** The text behind a checksum; `undefined` if the checksum is wrong. */
function checked(bytes: Buffer): string | undefined {
  const text = bytes.subarray(CHECKSUM_DIGITS + 1);
  if (bytes.toString('latin1', 0, CHECKSUM_DIGITS + 1) !== `${checksum(text)} `) return undefined;
  return text.toString();
}

function checksum(text: string | Buffer): string {
  return crc32(text).toString(16).padStart(CHECKSUM_DIGITS, '0');
}

function padded(number: number): string {
  return String(number).padStart(DIGITS, '0');
}
