import { setTimeout as wait } from 'node:timers/promises';
import type { SessionFeedEvent } from '../../contract/feed.js';
import type { Context } from '../command.js';
import { EXIT } from '../exit.js';
import { Interrupted } from '../interruption.js';
import type { Output, Style } from '../output.js';
import { nameOf } from '../sessions.js';
import { printable } from '../text.js';

/** Prints the events of the store's feed until the command is interrupted, or the store closes the feed. */
export async function watch({ store, output, interruption }: Context): Promise<number> {
  let isBehind = false;
  const write = (event: SessionFeedEvent): void => {
    if (isBehind) return;
    const shownEvent = 'ids' in event ? { ...event, ids: event.ids.map((id) => nameOf(store, id)) } : event;
    // Rejects if the command is interrupted, which ends it anyway.
    print(shownEvent, output).catch(() => {});
    if (output.hasRoom) return;
    isBehind = true;
    void output.room().then(
      () => {
        isBehind = false;
        write({ type: 'lost', reason: BEHIND });
        write({ type: 'live' });
      },
      () => {},
    );
  };
  const feed = await interruption.race(store.watch(write));
  try {
    while (!feed.isClosed) await interruption.race(second(interruption.signal));
    throw new Error('the store has closed its feed');
  } catch (error) {
    if (error instanceof Interrupted && error.by !== undefined) return EXIT.done;
    throw error;
  } finally {
    feed.close();
  }
}

const BEHIND = 'the events were not read as fast as they came, so some were left out';

/** Waits, and keeps the process alive. */
async function second(signal: AbortSignal): Promise<void> {
  await wait(1000, undefined, { signal }).catch(() => {});
}

const STYLES: Partial<Record<SessionFeedEvent['type'], Style>> = {
  lost: 'red',
  ended: 'yellow',
  live: 'green',
};

async function print(event: SessionFeedEvent, output: Output): Promise<void> {
  const at = Date.now();
  if (!output.isForPeople) return output.json({ at, ...event });
  const time = new Date(at).toISOString().slice(11, 23);
  const style = STYLES[event.type];
  const type = event.type.padEnd(8);
  const title = `${time}  ${style ? output.styled(style, type) : type}`;
  const texts = 'ids' in event ? event.ids : ['reason' in event ? event.reason : ''];
  return output.lines(texts.map((text) => `${title} ${printable(text)}`.trimEnd()));
}
