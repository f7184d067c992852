import { describe, expect, it } from 'vitest';
import { deliver } from './cluster.messages.js';

describe('what is delivered', () => {
  it('goes in as few messages as hold it, and what fits none is refused alone', () => {
    const sent: number[][] = [];
    const refused: [number, unknown][] = [];
    const tooLong = new RangeError('Invalid string length');
    const send = (items: number[]) => {
      if (items.reduce((sum, item) => sum + item, 0) > 10) throw tooLong;
      sent.push(items);
    };
    deliver([1, 2, 3, 4, 5, 6, 70, 8], send, (item, error) => refused.push([item, error]));
    expect(sent).toEqual([[1, 2, 3, 4], [5], [6], [8]]);
    expect(refused).toEqual([[70, tooLong]]);
    deliver([], send, () => expect.unreachable());
    expect(sent.length).toBe(4);
  });
});
