import type { SessionStoreCapabilities } from '../contract/capabilities.js';

const NO_OLD_FEED = 'sessions change in the old store as well until migrateFrom.move is true, and';

/** What a migration can do, by what its stores can. */
export function capabilitiesOf(
  target: SessionStoreCapabilities,
  source: SessionStoreCapabilities,
  moves: boolean,
): SessionStoreCapabilities {
  const tokens = source.secrets
    ? source.mixedTokens && { mixedTokens: true }
    : { secrets: moves, mixedTokens: true };
  if (moves) return Object.freeze({ ...target, ...tokens });
  const feed =
    target.feed !== true ? target.feed : source.feed === true ? true : `${NO_OLD_FEED} ${source.feed}`;
  return Object.freeze({ ...target, ...tokens, feed, exactFeed: false });
}
