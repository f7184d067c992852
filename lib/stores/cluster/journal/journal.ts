import { link, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Batch } from './batch.js';
import type { JournalEntry } from './entries.js';
import { JournalFile, closedOnFailure, readJournal, syncDirectory, type Durability } from './file.js';
import { encodeEntry } from './format.js';
import { writeSnapshot, type Snapshot } from './snapshot.js';
import { Replay, sizeOf, type JournaledState } from './state.js';

/** A journal that was opened, and what it holds. */
export interface OpenedJournal {
  journal: Journal;
  state: JournaledState;
  /** Why some changes are missing; `undefined` if none are. */
  damage: string | undefined;
}

/** With so many characters that wait, what follows is the next batch: a string holds half a gigabyte. */
const BATCH_CHARACTERS = 4 * 1024 * 1024;
/**
 * A file is compacted once it is longer than this and twice as long as it was after the last time; and with the first
 * write after a start, if it has entries of sessions that have changed or ended.
 */
const LEAST_BYTES = 4 * 1024 * 1024;
const COPIED_BYTES = 1024 * 1024;

/**
 * A log of changes in a directory that belongs to this process. What is appended while a batch is being written is the
 * next batch. The first error is final: after it nothing is written any more.
 */
export class Journal {
  /** The error for which nothing is written any more. */
  failure: unknown;
  private readonly waiting: Batch[] = [];
  private newest: Batch | undefined;
  /** What must not run beside a write. */
  private betweenBatches: (() => Promise<void>) | undefined;
  private running: Promise<void> | undefined;
  private compacting: Promise<void> | undefined;
  private isClosing = false;
  /** The number of the last entry that was written. */
  private acknowledged: number;

  private constructor(
    private readonly path: string,
    private readonly durability: Durability,
    private file: JournalFile,
    /** The number of the last entry that was appended. */
    private last: number,
    /** How long the file may get until it is compacted, in bytes. */
    private mostBytes: number,
    /** All that is live, with the effect of every entry that was appended. */
    private readonly stateNow: () => JournaledState,
  ) {
    this.acknowledged = last;
  }

  /**
   * Opens the journal of a directory, and creates it if there is none. A damaged one is replaced by what can be trusted
   * in it, and kept as `journal.damaged`.
   */
  static async open(
    directory: string,
    durability: Durability,
    stateNow: () => JournaledState,
  ): Promise<OpenedJournal> {
    const path = join(directory, 'journal');
    const replay = new Replay();
    const contents = await readJournal(path, (entry) => replay.apply(entry));
    const state = replay.stateAt(Date.now());
    const size = sizeOf(state);
    const damage = contents?.damage;
    let { last, liveBytes } = { last: size, liveBytes: 0 };
    if (contents) {
      last = contents.last;
      liveBytes = (contents.end * size) / Math.max(1, last - contents.header.first + 1);
    }
    const file =
      contents && damage === undefined
        ? await JournalFile.goOn(path, contents)
        : await replaced(path, { state, last }, contents !== undefined);
    await closedOnFailure(file, async () => {
      // The process before this one may have acknowledged changes that are not on the disk.
      if (durability === 'disk') await file.sync();
      await rm(`${path}.new`, { force: true });
    });
    // What has ended must not stay in the file for as long as a small app writes little.
    const hasDead = contents !== undefined && damage === undefined && last - contents.header.first + 1 > size;
    const mostBytes = hasDead ? 0 : mostBytesFor(liveBytes);
    return { journal: new Journal(path, durability, file, last, mostBytes, stateNow), state, damage };
  }

  /** Appends an entry to the next batch. Throws, and appends nothing, if it is too long for a string. */
  append(entry: JournalEntry): void {
    if (this.failure !== undefined) return;
    const text = encodeEntry(this.last + 1, entry);
    let batch = this.waiting.at(-1);
    if (!batch || batch.characters + text.length > BATCH_CHARACTERS) {
      this.waiting.push((batch = new Batch()));
      this.newest = batch;
    }
    batch.add(text, ++this.last);
    this.run();
  }

  /** Resolves when all that was appended is as durable as it must be; `undefined` if it is already. */
  get written(): Promise<void> | undefined {
    return this.newest?.written;
  }

  /** Writes what was appended, and closes the file. */
  async close(): Promise<void> {
    this.isClosing = true;
    while (this.running || this.compacting) await Promise.all([this.running, this.compacting]);
    await this.file.close();
  }

  private run(): void {
    this.running ??= this.runAll().finally(() => {
      this.running = undefined;
      // Something may have come after the last look.
      if (this.waiting.length > 0 || this.betweenBatches) this.run();
    });
  }

  private async runAll(): Promise<void> {
    // What a caller appends at once is one batch.
    await Promise.resolve();
    for (;;) {
      const between = this.betweenBatches;
      this.betweenBatches = undefined;
      if (between) await between();
      const batch = this.waiting.shift();
      if (!batch) return;
      await this.write(batch);
    }
  }

  private async write(batch: Batch): Promise<void> {
    const snapshot = this.snapshotIfDue(batch);
    const { size } = this.file;
    try {
      if (this.failure !== undefined) throw this.failure;
      await this.file.append(batch.text);
      if (this.durability === 'disk') await this.file.sync();
      await this.file.acknowledge(batch.last);
    } catch (error) {
      this.failure ??= error;
      // The next start must not find the first part of what is rejected.
      await this.file.cutOff(size).catch(() => {});
      batch.reject(error);
      return;
    }
    this.acknowledged = batch.last;
    if (this.newest === batch) this.newest = undefined;
    batch.resolve();
    if (snapshot) this.compacting = this.compact(snapshot, this.file.size);
  }

  /** What is live after a batch. Only the last batch has an entry for all of that. */
  private snapshotIfDue({ last }: Batch): Snapshot | undefined {
    if (this.file.size <= this.mostBytes || last !== this.last || this.compacting || this.isClosing) return;
    return { state: this.stateNow(), last };
  }

  /** Writes a new file with a snapshot and what the old one has from `position` on, and puts it in its place. */
  private async compact(snapshot: Snapshot, position: number): Promise<void> {
    const path = `${this.path}.new`;
    let copied = position;
    let file: JournalFile | undefined;
    try {
      file = await writeSnapshot(path, snapshot);
      const next = file;
      const live = next.size;
      while (this.file.size - copied > COPIED_BYTES)
        copied += await next.copyFrom(this.file, copied, COPIED_BYTES);
      // Most of it, while writes go on.
      await next.sync();
      await this.inTurn(async () => {
        if (this.failure !== undefined) throw this.failure;
        while (copied < this.file.size) copied += await next.copyFrom(this.file, copied, COPIED_BYTES);
        await next.acknowledge(this.acknowledged);
        await next.sync();
        await rename(path, this.path);
        await this.goOnWith(next, live);
      });
    } catch (error) {
      // The old file goes on, and the new one is tried again when that is twice as long.
      await file?.close().catch(() => {});
      await rm(path, { force: true }).catch(() => {});
      this.mostBytes = this.file.size * 2;
      process.emitWarning(new Error(NOT_COMPACTED, { cause: error }));
    } finally {
      this.compacting = undefined;
    }
  }

  /** Writes to a file that has taken the place of the old one. */
  private async goOnWith(file: JournalFile, liveBytes: number): Promise<void> {
    const old = this.file;
    this.file = file;
    this.mostBytes = mostBytesFor(liveBytes);
    try {
      await old.close();
      await syncDirectory(dirname(this.path));
    } catch (error) {
      // After a loss of power the name may mean the old file again, which has none of the changes from now on.
      this.failure ??= error;
    }
  }

  /** Runs `work` when no write is in progress, and writes nothing meanwhile. */
  private inTurn(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.betweenBatches = () => work().then(resolve, reject);
      this.run();
    });
  }
}

const NOT_COMPACTED =
  '[session:cluster] the journal of the sessions could not be compacted, and keeps growing. The cause says why';

/** How long a file may get whose live part has so many bytes. */
function mostBytesFor(liveBytes: number): number {
  return Math.max(LEAST_BYTES, 2 * liveBytes);
}

/** A file that holds a snapshot, in the place of a damaged one, which is kept under another name, or of none. */
async function replaced(path: string, snapshot: Snapshot, isDamaged: boolean): Promise<JournalFile> {
  const file = await writeSnapshot(`${path}.new`, snapshot);
  return closedOnFailure(file, async () => {
    await file.sync();
    if (isDamaged) {
      await rm(`${path}.damaged`, { force: true });
      await link(path, `${path}.damaged`);
    }
    await rename(`${path}.new`, path);
    await syncDirectory(dirname(path));
  });
}
