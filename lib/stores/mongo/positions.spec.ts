import mongoose from 'mongoose';
import { expect, it } from 'vitest';
import { positionIn, positionOf } from './positions.js';

const { Timestamp } = mongoose.mongo;

it('positions are ordered as the timestamps, also after 2038', () => {
  const timestamps = [
    { t: 0, i: 1 },
    { t: 9, i: 10 },
    { t: 9, i: 256 },
    { t: 2 ** 31 - 1, i: 2 ** 32 - 1 },
    { t: 2 ** 31, i: 0 },
    { t: 2 ** 32 - 1, i: 1 },
  ];
  const positions = timestamps.map((timestamp) => positionOf(new Timestamp(timestamp)));
  expect(positions).toEqual(positions.toSorted());
  expect(new Set(positions.map(({ length }) => length))).toEqual(new Set([16]));
});

it('a resume token has the position of its timestamp', () => {
  // The token of an event, and one between events.
  for (const data of [
    '8267C867A2000000192B042C0100296E5A1004D3284E04D8914467A2160201812E4C4C463C6F7065726174696F6E54797065003C696E736572740046646F63756D656E744B65790046645F6964006467C867A2FB1CBCD579F4E4DE000004',
    '8267C867A2000000192B0429296E1404',
  ]) {
    expect(positionIn({ _data: data })).toBe(positionOf(new Timestamp({ t: 1_741_186_978, i: 25 })));
  }
});

it.each([undefined, '', 'AAAA', '8167C867A2000000192B0429296E1404', '82', 7])(
  'the resume token %j, of another format, has no position',
  (data) => {
    expect(positionIn({ _data: data })).toBeUndefined();
  },
);
