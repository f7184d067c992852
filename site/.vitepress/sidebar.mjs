import { readdirSync } from 'node:fs';

/**
 * The sidebar that docs/README.md describes: a group for each heading, and an item for each link below it. The pages of
 * the benchmarks, which `npm run bench` makes, are below the item of their index.
 */
export function sidebarOf(markdown, benchmarks) {
  const groups = [];
  for (const line of markdown.split('\n')) {
    const [, text] = /^## (.+)$/.exec(line) ?? [];
    if (text !== undefined) groups.push({ text, items: [] });
    const [, title, page] = /^- \[(.+)\]\((.+)\.md\)$/.exec(line) ?? [];
    if (title !== undefined)
      groups.at(-1).items.push({
        text: title,
        link: `/${page.replace(/(^|\/)index$/, '$1')}`,
        ...(page === 'benchmarks/index' && pagesBelow(benchmarks)),
      });
  }
  return groups;
}

function pagesBelow(index) {
  const links = [...index.matchAll(/^- \[(.+?)\]\(([\w-]+)\.md\): /gm)];
  if (links.length === 0) return {};
  return { collapsed: true, items: links.map(([, text, page]) => ({ text, link: `/benchmarks/${page}` })) };
}

/** The pages of the API reference, one for each entry point. */
export function apiSidebar(folder) {
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && file !== 'index.md' && !file.includes('namespaces'))
    .map((file) => file.replace(/(\/index)?\.md$/, ''))
    .toSorted();
  return {
    text: 'API',
    collapsed: true,
    link: '/api/',
    items: pages.map((page) => ({
      text: page.replace(/^nestjs-session-stores(?=\/)/, '.'),
      link: `/api/${page}`,
    })),
  };
}
