import { copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { Random } from '../http/random.js';
import { aRecord } from '../record.js';
import { aDirectory, inProcess } from './kept.js';

const PLACES = process.env['LONG'] ? 1000 : 25;
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));

const SESSIONS = 40;
const idOf = (index: number) => `session ${index}`;

/** The journal of some sessions, each with a change, of which three in four ended in different ways. */
async function aJournal(): Promise<string> {
  const directory = await aDirectory();
  await inProcess({ directory }, async (store) => {
    for (let index = 0; index < SESSIONS; index++) await store.create(aRecord(idOf(index)));
    for (let index = 0; index < SESSIONS; index++) await store.update({ id: idOf(index) }, { join: ['g'] });
    for (let index = 0; index < SESSIONS; index++) {
      if (index % 4 === 1) await store.destroy(idOf(index));
      if (index % 4 === 2) await store.regenerate(idOf(index));
      if (index % 4 === 3) await store.update({ id: idOf(index) }, { expiresAt: 1 });
    }
  });
  return join(directory, 'journal');
}

/** Opens a damaged journal. Resolves to what differs from what was acknowledged, and to the warnings. */
async function open(directory: string) {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  try {
    const wrong = await inProcess({ directory }, async (store) => {
      const ids: string[] = [];
      for (let index = 0; index < SESSIONS; index++) {
        const id = idOf(index);
        const record = await store.read(id);
        const hasEnded = await store.haveEnded([id]);
        const isRight =
          index % 4 === 0
            ? record?.groups.includes('g') === true && !hasEnded
            : record === undefined && hasEnded === (index % 4 !== 2);
        if (!isRight) ids.push(id);
      }
      return ids;
    });
    return { wrong, warnings: warn.mock.calls.map(([warning]) => String(warning)) };
  } finally {
    warn.mockRestore();
  }
}

describe.each<[string, (journal: string, at: number) => Promise<void>]>([
  [
    'a flipped bit',
    async (journal, at) => {
      const bytes = await readFile(journal);
      bytes[at]! ^= 1 << (at % 8);
      await writeFile(journal, bytes);
    },
  ],
  ['a cut tail', (journal, at) => truncate(journal, at)],
  [
    'a tail of zeros',
    async (journal, at) => {
      const bytes = await readFile(journal);
      await writeFile(journal, bytes.fill(0, at));
    },
  ],
  [
    'a line that occurs twice',
    async (journal, at) => {
      const lines = (await readFile(journal, 'latin1')).split('\n').slice(0, -1);
      // Not the first, which is no entry, and not the last, of which a copy is no acknowledged entry.
      const line = 1 + (at % (lines.length - 2));
      await writeFile(
        journal,
        [...lines.slice(0, line), lines[line], ...lines.slice(line), ''].join('\n'),
        'latin1',
      );
    },
  ],
])('%s in a journal', (_, damage) => {
  it(
    `is reported at each of ${PLACES} random places, and once (SEED=${SEED})`,
    async () => {
      const random = new Random(SEED);
      const journal = await aJournal();
      const directory = await aDirectory();
      const { length } = await readFile(journal);
      for (let place = 0; place < PLACES; place++) {
        const at = random.between(0, length);
        await rm(directory, { recursive: true, force: true });
        await mkdir(directory);
        await copyFile(journal, join(directory, 'journal'));
        await damage(join(directory, 'journal'), at);
        const damaged = await readFile(join(directory, 'journal'));
        const first = await open(directory);
        expect(first.warnings, `at byte ${at}`).toEqual([expect.stringContaining('is damaged')]);
        expect(await readFile(join(directory, 'journal.damaged')), `at byte ${at}`).toEqual(damaged);
        // What was trusted is a journal of its own now.
        expect(await open(directory), `at byte ${at}, again`).toEqual({ wrong: first.wrong, warnings: [] });
      }
    },
    10_000 + PLACES * 500,
  );
});

it('a journal that is not damaged has all that was acknowledged, without a report', async () => {
  const journal = await aJournal();
  expect(await open(join(journal, '..'))).toEqual({ wrong: [], warnings: [] });
});

it('what was trusted in a damaged journal is what was before the damage', async () => {
  const journal = await aJournal();
  const text = await readFile(journal, 'latin1');
  const at = text.indexOf('["change","sessions","session 10"');
  await truncate(journal, at);
  const { wrong } = await open(join(journal, '..'));
  // Up to there nothing had ended, and ten sessions were in the group.
  const all = Array.from({ length: SESSIONS }, (_, index) => index);
  expect(wrong).toEqual(all.filter((index) => index >= 10 || index % 4 !== 0).map(idOf));
});

it('a write that was cut before it was acknowledged is no damage', async () => {
  const journal = await aJournal();
  await writeFile(journal, '0a1b2c3d 141 ["put","sess', { flag: 'a' });
  expect(await open(join(journal, '..'))).toEqual({ wrong: [], warnings: [] });
  expect(await readFile(journal, 'latin1')).not.toContain('0a1b2c3d');
});

it('a journal of another version is left alone', async () => {
  const journal = await aJournal();
  const text = 'nestjs-session-stores/journal/2 and more';
  await writeFile(journal, `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`);
  const before = await readFile(journal);
  await expect(open(join(journal, '..'))).rejects.toMatchObject({
    cause: { message: expect.stringContaining('another version') },
  });
  expect(await readFile(journal)).toEqual(before);
});
