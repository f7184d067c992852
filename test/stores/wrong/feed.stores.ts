import { setTimeout } from 'node:timers/promises';
import type {
  SessionFeedEvent,
  SessionFeedListener,
  SessionFeedSink,
  SessionFeedSource,
  SessionWatch,
} from 'nestjs-session-stores/store';
import { MapStore } from '../map.store.js';
import { twoOf, type WrongStore } from './wrong.store.js';

type Type = 'changed' | 'rotated' | 'ended';

/** Announces changes otherwise than it should: as what `as` returns, or not at all. */
const announcing = (as: (type: Type) => Type | undefined) =>
  twoOf(
    class extends MapStore {
      protected override announce(type: Type, id: string): void {
        const wrong = as(type);
        if (wrong) super.announce(wrong, id);
      }
    },
  );

/** Passes events on to listeners otherwise than it should. */
const listening = (hears: (listener: SessionFeedListener, event: SessionFeedEvent) => void) =>
  twoOf(
    class extends MapStore {
      override watch(listener: SessionFeedListener): Promise<SessionWatch> {
        return super.watch((event) => hears(listener, event));
      }
    },
  );

const LOUDLY = /announced to every watcher/;

export const wrongInFeeds: WrongStore[] = [
  {
    name: 'does not announce changes of data',
    make: announcing((type) => (type === 'changed' ? undefined : type)),
    breaks: LOUDLY,
    says: /an update that sets data must be announced/,
  },
  {
    name: 'does not announce rotations',
    make: announcing((type) => (type === 'rotated' ? undefined : type)),
    breaks: LOUDLY,
    says: /a rotation must be announced/,
  },
  {
    name: 'does not announce ends',
    make: announcing((type) => (type === 'ended' ? undefined : type)),
    breaks: /announced to every watcher|a clear announces/,
    says: /a destroy must be announced|a clear must announce each session/,
  },
  {
    name: 'announces an end as a rotation',
    make: announcing((type) => (type === 'ended' ? 'rotated' : type)),
    breaks: LOUDLY,
    says: /as `ended`, and as nothing else/,
  },
  {
    name: 'announces a change of data as an end',
    make: announcing((type) => (type === 'changed' ? 'ended' : type)),
    breaks: LOUDLY,
    says: /as `changed`, and as nothing else/,
  },
  {
    name: 'announces everything as a change, and calls its feed exact',
    make: announcing(() => 'changed'),
    breaks: LOUDLY,
    says: /as `rotated`, and as nothing else/,
  },
  {
    name: 'counts as complete before it has heard everything',
    make: twoOf(
      class extends MapStore {
        protected override doWatch(sink: SessionFeedSink): Promise<SessionFeedSource> {
          return super.doWatch({
            lost: (reason) => sink.lost(reason),
            heard: (type, ids) => void setTimeout(600).then(() => sink.heard(type, ids)),
          });
        }
      },
    ),
    breaks: /announced to every watcher|a clear announces/,
    says: /must be announced before|a clear must announce each session/,
  },
  {
    name: 'lets a listener that throws fail the write',
    make: twoOf(
      class extends MapStore {
        private readonly listeners: SessionFeedListener[] = [];
        override watch(listener: SessionFeedListener): Promise<SessionWatch> {
          this.listeners.push(listener);
          return super.watch(listener);
        }
        protected override announce(type: Type, id: string): void {
          super.announce(type, id);
          for (const listener of this.listeners) listener({ type, ids: [id] });
        }
      },
    ),
    breaks: /a listener that throws/,
    says: /a write must resolve whatever a listener does/,
  },
  {
    name: 'goes on to call a listener whose watch was closed',
    make: twoOf(
      class extends MapStore {
        private readonly listeners = new Set<SessionFeedListener>();
        override watch(listener: SessionFeedListener): Promise<SessionWatch> {
          this.listeners.add(listener);
          return super.watch((event) => {
            if (!('ids' in event)) listener(event);
            else for (const one of this.listeners) one(event);
          });
        }
      },
    ),
    breaks: /a closed watch hears nothing/,
    says: /a closed watch must hear nothing/,
  },
  {
    name: 'is silent about the end of its feed',
    make: listening((listener, event) => {
      if (event.type !== 'lost') listener(event);
    }),
    breaks: /hears `live` first/,
    says: /must hear `lost` when its store is closed/,
  },
];
