import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Throws if a link of a built page leads to a heading that its target lacks: VitePress checks only pages. */
export function checkAnchors(folder) {
  const pages = new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.html'))
      .map((file) => [`/${file}`, readFileSync(join(folder, file), 'utf8')]),
  );
  const anchors = new Map([...pages].map(([page, html]) => [page, new Set(allOf(html, / id="([^"]+)"/g))]));
  const dead = [...pages].flatMap(([page, html]) =>
    allOf(html, / href="([^"]*#[^"]+)"/g)
      .filter((href) => !/^[a-z]+:/i.test(href))
      .filter((href) => {
        const { pathname, hash } = new URL(href, `http://site${page}`);
        const target = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
        return !anchors.get(target)?.has(decodeURIComponent(hash.slice(1)));
      })
      .map((href) => `${page}: ${href}`),
  );
  if (dead.length > 0)
    throw new Error(`Links to headings that do not exist:\n${[...new Set(dead)].join('\n')}`);
}

function allOf(html, pattern) {
  return [...html.matchAll(pattern)].map(([, value]) => value.replaceAll('&amp;', '&'));
}
