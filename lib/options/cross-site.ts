import { checkWord } from '../contract/option-checks.js';
import type { SessionConfig } from '../session/config.js';

/** Checks `crossSite` and `origins`. The middleware checks each origin. */
export function resolveCrossSite(
  crossSite: SessionConfig['crossSite'] = 'allow',
  origins: readonly string[] | undefined,
): Pick<SessionConfig, 'crossSite' | 'origins'> {
  checkWord('crossSite', crossSite, ['allow', 'isolate', 'reject']);
  if (origins !== undefined && crossSite === 'allow') {
    throw new TypeError(
      "origins needs crossSite: write crossSite: 'reject' too. For sockets, write withSessions(adapter, app, { origins })",
    );
  }
  return { crossSite, origins: origins ?? [] };
}
