/** The directives that let a cache store a response, or use a stored one. */
const STORING = /^(public|max-age|s-maxage|immutable|stale-[\w-]+)$/i;

/**
 * A `Cache-Control` value that forbids storing, for a response with a token. The directives of `before` that are about
 * something else stay, such as `private` and `no-transform`.
 */
export function withNoStore(before: number | string | readonly string[] | undefined): string {
  if (before === undefined) return 'no-store';
  const directives = [before].flat().flatMap((value) => String(value).match(DIRECTIVE) ?? []);
  const kept = directives
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !STORING.test(nameOf(directive)));
  if (!kept.some((directive) => nameOf(directive).toLowerCase() === 'no-store')) kept.push('no-store');
  return kept.join(', ');
}

/** A directive up to the next comma that is not quoted. */
const DIRECTIVE = /(?:[^,"]|"(?:\\.|[^"\\])*"?)+/g;

function nameOf(directive: string): string {
  return directive.split('=', 1)[0]!.trim();
}
