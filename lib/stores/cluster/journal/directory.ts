import { mkdir } from 'node:fs/promises';
import { SessionStoreError } from '../../../contract/errors.js';
import type { Durability } from './file.js';
import { Journal, type OpenedJournal } from './journal.js';
import { lockDirectory } from './lock.js';
import type { JournaledState } from './state.js';

/** A journal in a directory that no other process can open. */
export interface LockedJournal extends OpenedJournal {
  /** Writes what was appended, and unlocks the directory. */
  close(): Promise<void>;
}

/** Locks a directory, which is created if it does not exist, and opens its journal. */
export async function openDirectory(
  directory: string,
  durability: Durability,
  timeout: number,
  stateNow: () => JournaledState,
): Promise<LockedJournal> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const unlock = await lockDirectory(directory, timeout);
    if (!unlock) throw new SessionStoreError('cluster', 'open', `${IN_USE} after ${timeout} ms. ${ADVICE}`);
    try {
      const opened = await Journal.open(directory, durability, stateNow);
      return { ...opened, close: () => opened.journal.close().finally(unlock) };
    } catch (error) {
      await unlock();
      throw error;
    }
  } catch (cause) {
    if (cause instanceof SessionStoreError) throw cause;
    throw new SessionStoreError('cluster', 'open', NOT_OPENED, { cause });
  }
}

const IN_USE = 'the directory is still in use by another process';
const ADVICE =
  'Has the process before this one ended? Several processes share sessions only by serveSessions(), and each app needs a directory of its own';
const NOT_OPENED = 'the directory could not be opened. The error of the file system is the cause';
