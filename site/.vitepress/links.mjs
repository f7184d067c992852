import { dirname, join, relative } from 'node:path';

/**
 * Makes the links between Markdown files, which are relative as GitHub needs them, absolute links of the site: some
 * pages are in another folder there. VitePress then checks that each leads to a page.
 */
export function linksBySource(root, places) {
  return (md) => {
    md.core.ruler.push('links-by-source', ({ tokens, env }) => {
      const source = relative(root, env.realPath ?? env.path);
      for (const token of tokens.flatMap(({ children }) => children ?? [])) {
        const href = token.type === 'link_open' ? token.attrGet('href') : null;
        if (href === null || /^([a-z]+:|#|\/)/i.test(href)) continue;
        const [file, anchor] = href.split('#');
        const target = placeOf(join(dirname(source), file), places);
        token.attrSet('href', `/${target}${anchor === undefined ? '' : `#${anchor}`}`);
      }
    });
  };
}

/** Where a file of the repository is on the site. */
function placeOf(file, places) {
  if (Object.hasOwn(places, file)) return places[file];
  for (const [from, to] of Object.entries(places)) {
    const [folder, isPattern] = from.split(':path');
    if (isPattern !== undefined && file.startsWith(folder))
      return to.replace(':path', file.slice(folder.length));
  }
  return file;
}
