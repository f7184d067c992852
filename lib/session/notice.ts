import type { SessionState } from './state.js';

/** What a response must tell its client: nothing, a token that is not signed yet, or to forget the one that it has. */
export type Notice =
  | { readonly is: 'nothing' }
  | { readonly is: 'token' | 'forget'; readonly of: SessionState };

export const NOTHING: { readonly is: 'nothing' } = { is: 'nothing' };

/** What a response must tell its client: nothing, a token that `sign` returns, or to forget the one that it has. */
export type ClientNotice =
  | { readonly is: 'nothing' }
  | { readonly is: 'token'; readonly session: SessionState; readonly sign: () => string }
  | { readonly is: 'forget'; readonly session: SessionState };

/** The client gets the token of `state`. */
export function giveToken(state: SessionState): Notice {
  return { is: 'token', of: state };
}

/** The client gets no token of `state`: another request has rotated its secret. */
export function withoutTokenOf(state: SessionState, notice: Notice): Notice {
  return notice.is !== 'nothing' && notice.of === state ? NOTHING : notice;
}

/**
 * `state` has ended, so the client must forget its token, unless it gets the token of the session that replaced
 * `state`.
 *
 * @param hasToken whether the client has presented a token
 */
export function forgetToken(state: SessionState, notice: Notice, hasToken: boolean): Notice {
  if (notice.is === 'token' && notice.of !== state) return notice;
  return hasToken || notice.is !== 'nothing' ? { is: 'forget', of: state } : notice;
}
