/**
 * What is known of an unsafe request that a page of another site may have sent.
 *
 * - `loading`: its session is being looked up.
 * - `unsettled`: a cookie has authenticated it, and no handler has been found for it.
 * - `rejected`: its handlers accept no such request.
 * - `allowed`: it is served as any other request.
 * - `isolated`: it presented no session, and no handler has been found for it. Its client gets no session.
 * - `released`: all of its handlers accept such requests, so its client gets the session that they begin.
 * - `kept apart`: one of its handlers does not, so its client gets none.
 */
export type CrossSiteStanding =
  | 'loading'
  | 'unsettled'
  | 'rejected'
  | 'allowed'
  | 'isolated'
  | 'released'
  | 'kept apart';

/** The standing of a request once its session has been looked up. */
export function afterLoad(mode: 'isolate' | 'reject', hasSession: boolean): CrossSiteStanding {
  if (!hasSession) return 'isolated';
  return mode === 'reject' ? 'unsettled' : 'allowed';
}

/** The standing after one more handler was found. An operation of GraphQL may have several. */
export function afterHandler(before: CrossSiteStanding, accepts: boolean): CrossSiteStanding {
  switch (before) {
    case 'unsettled':
    case 'rejected':
      return accepts ? 'allowed' : 'rejected';
    case 'isolated':
    case 'released':
      return accepts ? 'released' : 'kept apart';
    default:
      return before;
  }
}
