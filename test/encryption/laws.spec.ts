import { randomUUID } from 'node:crypto';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { EncryptedStore, type SessionEncryptOptions, type SessionStore } from 'nestjs-session-stores/store';
import { describe, it } from 'vitest';
import { sharedStores } from '../cache/shared.stores.js';
import { aKey } from './keys.js';

type Law = (typeof sessionStoreLaws)[number];

const [keys, groups] = [aKey(), aKey()];

/** Laws of which a part is an `add`, which a sealed property refuses. */
const adds = (law: Law): boolean =>
  /\badds?\b|whatever was acknowledged|an expired session is not updated/.test(law.name);

/** A law that adds to `cookie`, too, which no app does, and which is sealed whatever else is. */
const ofAnyName = (law: Law): boolean => law.name.includes('an add and a take of any name');

/** How two handles encrypt, and for which laws. */
const WAYS: [
  what: string,
  handles: [SessionEncryptOptions, SessionEncryptOptions],
  laws: (law: Law) => boolean,
][] = [
  [
    'that seals everything',
    [
      { keys, groups },
      { keys, groups },
    ],
    (law) => !adds(law),
  ],
  [
    'that seals other properties',
    [
      { keys, groups, only: ['other'] },
      { keys, groups, only: ['other'] },
    ],
    (law) => adds(law) && !ofAnyName(law),
  ],
  [
    'in a roll-out, of which one handle seals nothing yet',
    [
      { keys, groups, only: [] },
      { keys, groups, acceptPlain: true },
    ],
    (law) => !adds(law),
  ],
];

/** The others take longer. What each keeps of sealed texts is in secrecy.spec.ts, and of hints in store.spec.ts. */
const around = process.env['LONG'] ? sharedStores : sharedStores.filter(([word]) => word === 'cluster');

const cases = around.flatMap(([word, make]) =>
  WAYS.map(([what, handles, laws]) => ({ word, make, what, handles, laws: sessionStoreLaws.filter(laws) })),
);

describe.each(cases)('an encryption $what, around the store $word', ({ make, handles, laws }) => {
  it.concurrent.each(laws)('keeps the law: $name', async (law) => {
    const namespace = randomUUID();
    const encrypted = (options: SessionEncryptOptions): SessionStore =>
      new EncryptedStore(make(namespace), options);
    const stores = [encrypted(handles[0]), encrypted(handles[1])] as const;
    try {
      for (const store of stores) await store.open();
      await law.holds(stores);
    } finally {
      for (const store of stores) await store.close();
    }
  });
});
