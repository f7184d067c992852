import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { aDirectory, inProcess } from './kept.js';

const KILLS = process.env['LONG'] ? 50 : 3;

interface Call {
  id: string;
  call: 'create' | 'update' | 'rotate' | 'destroy' | 'regenerate';
  count?: string;
  isAcknowledged: boolean;
}

/** What is known of a session: its last acknowledged call, and the one after it that was not acknowledged. */
interface Known {
  last?: Call;
  pending?: Call | undefined;
}

/** Starts a primary with 32 writers, kills it after some acknowledgements, and notes what they were. */
async function killAmongWriters(
  directory: string,
  durability: string,
  acknowledgements: number,
  known: Map<string, Known>,
): Promise<void> {
  const primary = spawn(
    process.execPath,
    [`${import.meta.dirname}/kill.process.mjs`, directory, durability],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let acknowledged = 0;
  const lines = createInterface(primary.stdout);
  const isRead = once(lines, 'close');
  lines.on('line', (line) => {
    // The last line may be cut.
    if (!line.endsWith('}')) return;
    const call = JSON.parse(line) as Call;
    const session = known.get(call.id) ?? {};
    known.set(call.id, session);
    if (!call.isAcknowledged) return void (session.pending = call);
    acknowledged++;
    session.last = call;
    session.pending = undefined;
  });
  await eventually(() => acknowledged >= acknowledgements, { within: 30_000 });
  primary.kill('SIGKILL');
  // When the worker has ended too, because it holds the other end of the pipe.
  await isRead;
}

const isEnd = (call: Call | undefined) => call?.call === 'destroy' || call?.call === 'regenerate';

/** What was lost, and what came back. */
async function findWrongs(store: ClusterStore, known: Map<string, Known>) {
  const wrongs = { lost: [] as object[], revived: [] as object[] };
  for (const [id, { last, pending }] of known) {
    if (!last) continue;
    const record = await store.read(id);
    if (isEnd(last)) {
      const hasEnded = await store.haveEnded([id]);
      const isReplaced = await store.create(aRecord(id)).catch(() => false);
      const isUpdated = await store.update({ id }, {});
      if (record || isReplaced || isUpdated || (last.call === 'destroy') !== hasEnded)
        wrongs.revived.push({ id, last });
      continue;
    }
    if (!record) {
      if (!isEnd(pending)) wrongs.lost.push({ id, last, pending });
      continue;
    }
    const count = Number(last.call === 'create' ? '0' : last.call === 'update' ? last.count : '2');
    const isKept = Number(record.data['count']) >= count && record.data['large']?.length === 1002;
    if (!isKept || (last.call === 'rotate' && record.secretHash !== 'second'))
      wrongs.lost.push({ id, last, record });
  }
  return wrongs;
}

it.each(['process', 'disk'] as const)(
  `a primary that is killed among 32 writers ${KILLS} times loses and revives nothing, with the durability '%s'`,
  async (durability) => {
    const directory = await aDirectory();
    const known = new Map<string, Known>();
    for (let kill = 0; kill < KILLS; kill++) {
      const acknowledgements = 200 + Math.floor(Math.random() * 6000);
      await killAmongWriters(directory, durability, acknowledgements, known);
      const wrongs = await inProcess({ directory, durability }, (store) => findWrongs(store, known));
      expect(wrongs, `after ${acknowledgements} acknowledgements`).toEqual({ lost: [], revived: [] });
    }
    const ended = [...known.values()].filter(({ last }) => isEnd(last));
    expect(ended.length, 'sessions that ended').toBeGreaterThan(KILLS * 20);
  },
  KILLS * 20_000,
);
