import { describe, expect, it } from 'vitest';
import { forgetToken, giveToken, NOTHING, withoutTokenOf, type Notice } from './notice.js';
import type { SessionState } from './state.js';

const state = { id: 'a' } as SessionState;
const successor = { id: 'b' } as SessionState;
const token = giveToken(state);
const forget: Notice = { is: 'forget', of: state };

describe('what a client must be told', () => {
  it.each<[string, Notice, boolean, Notice]>([
    ['to forget the token that it presented', NOTHING, true, forget],
    ['nothing, if it has no token', NOTHING, false, NOTHING],
    ['to forget a token that it was about to get, as it may have it already', token, false, forget],
    ['the token of a successor', giveToken(successor), true, giveToken(successor)],
    ['to forget its token, as before', { is: 'forget', of: successor }, false, forget],
  ])('after the end of its session is %s', (_, before, hasToken, expected) => {
    expect(forgetToken(state, before, hasToken)).toEqual(expected);
  });

  it.each<[string, Notice, Notice]>([
    ['nothing instead of the token that was replaced', token, NOTHING],
    ['the token of another session', giveToken(successor), giveToken(successor)],
    ['nothing', NOTHING, NOTHING],
  ])('after another rotation has won is %s', (_, before, expected) => {
    expect(withoutTokenOf(state, before)).toEqual(expected);
  });
});
