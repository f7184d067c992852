import { open, type FileHandle } from 'node:fs/promises';
import {
  HEADER_BYTES,
  Lines,
  decodeEntry,
  decodeHeader,
  encodeHeader,
  type JournalHeader,
} from './format.js';
import type { JournalEntry } from './entries.js';

/** How far a write gets before it is acknowledged: to the operating system, or to the disk. */
export type Durability = 'process' | 'disk';

/** What a journal was found to be. */
export interface JournalContents {
  header: JournalHeader;
  /** The number of the last entry that can be trusted. */
  last: number;
  /** Where the bytes of that entry end. */
  end: number;
  /** Why entries whose write was acknowledged are missing; `undefined` if none are. */
  damage: string | undefined;
}

const PIECE = 1024 * 1024;

/** A file of entries after a header. It is written by one process, and one call at a time. */
export class JournalFile {
  private constructor(
    private readonly handle: FileHandle,
    /** How many bytes it has. */
    public size: number,
    private readonly first: number,
  ) {}

  /** Creates an empty file in the place of another. `first` will be the number of its first entry. */
  static async create(path: string, first: number): Promise<JournalFile> {
    const handle = await open(path, 'w+', 0o600);
    const file = new JournalFile(handle, HEADER_BYTES, first);
    return closedOnFailure(file, () => file.acknowledge(first - 1));
  }

  /** Opens a file to go on after `contents`, and cuts off what follows them: writes that were not acknowledged. */
  static async goOn(path: string, { header, end }: JournalContents): Promise<JournalFile> {
    const handle = await open(path, 'r+');
    const file = new JournalFile(handle, end, header.first);
    return closedOnFailure(file, () => file.cutOff(end));
  }

  /** Writes lines after the others. */
  async append(text: string | Buffer): Promise<void> {
    const bytes = Buffer.from(text as string);
    await this.write(bytes, this.size);
    this.size += bytes.length;
  }

  /** Removes what follows after `size` bytes. */
  async cutOff(size: number): Promise<void> {
    await this.handle.truncate(size);
    this.size = size;
  }

  /** Notes in the header up to which number the entries are acknowledged. */
  async acknowledge(last: number): Promise<void> {
    await this.write(Buffer.from(encodeHeader({ first: this.first, acknowledged: last })), 0);
  }

  /** Resolves when all that was written is on the disk. */
  sync(): Promise<void> {
    return this.handle.datasync();
  }

  /** Appends what another file has from a position on, at most `limit` bytes. Resolves to how many these were. */
  async copyFrom(other: JournalFile, position: number, limit: number): Promise<number> {
    const bytes = Buffer.allocUnsafe(Math.min(limit, other.size - position));
    await readFully(other.handle, bytes, position);
    await this.append(bytes);
    return bytes.length;
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  private async write(bytes: Buffer, position: number): Promise<void> {
    for (let written = 0; written < bytes.length;) {
      written += (await this.handle.write(bytes, written, bytes.length - written, position + written))
        .bytesWritten;
    }
  }
}

/** Does something with a file that was opened, and resolves to the file. Closes it if that fails. */
export async function closedOnFailure(file: JournalFile, work: () => Promise<void>): Promise<JournalFile> {
  try {
    await work();
    return file;
  } catch (error) {
    // Of both errors, the first says what is wrong.
    await file.close().catch(() => {});
    throw error;
  }
}

/**
 * Passes the entries of a file to `apply`, in order, until one is damaged or `apply` returns `false`. Resolves to
 * `undefined` if there is no file. Throws if another version of this package has written it.
 */
export async function readJournal(
  path: string,
  apply: (entry: JournalEntry) => boolean,
): Promise<JournalContents | undefined> {
  const handle = await openExisting(path);
  if (!handle) return undefined;
  try {
    const head = Buffer.alloc(HEADER_BYTES);
    const { bytesRead } = await handle.read(head, 0, HEADER_BYTES, 0);
    const header = decodeHeader(head.subarray(0, bytesRead));
    if (!header) {
      const nothing = { header: { first: 1, acknowledged: 0 }, last: 0, end: 0 };
      return { ...nothing, damage: 'its first line is damaged, so nothing in it is trusted' };
    }
    if ('version' in header) {
      throw new Error(`the journal has the format ${header.version} of another version of this package`);
    }
    return await readEntries(handle, header, apply);
  } finally {
    await handle.close();
  }
}

async function readEntries(
  handle: FileHandle,
  header: JournalHeader,
  apply: (entry: JournalEntry) => boolean,
): Promise<JournalContents> {
  let last = header.first - 1;
  let end = HEADER_BYTES;
  const isNext = (line: Buffer): boolean => {
    const entry = decodeEntry(line, last + 1);
    // A checksum was right, so this package wrote the entry.
    if (entry === undefined || !apply(entry as JournalEntry)) return false;
    last++;
    end += line.length + 1;
    return true;
  };
  const lines = new Lines();
  for await (const piece of piecesFrom(handle, HEADER_BYTES)) if (!lines.of(piece).every(isNext)) break;
  const missing = header.acknowledged - last;
  const damage =
    missing > 0
      ? `entry ${last + 1}, at byte ${end}, is damaged or missing: of ${header.acknowledged} acknowledged changes the last ${missing} are not trusted`
      : undefined;
  return { header, last, end, damage };
}

async function* piecesFrom(handle: FileHandle, start: number): AsyncGenerator<Buffer> {
  for (let position = start; ;) {
    const piece = Buffer.allocUnsafe(PIECE);
    const { bytesRead } = await handle.read(piece, 0, PIECE, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

async function readFully(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) throw new Error('the journal is shorter than what was written to it');
    done += bytesRead;
  }
}

async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Resolves when the names in a directory are on the disk. Windows has no such call. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
