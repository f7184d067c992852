import { copyFileSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { slug } from 'github-slugger';
import { defineConfig } from 'vitepress';
import { checkAnchors } from './anchors.mjs';
import { linksBySource } from './links.mjs';
import { apiSidebar, sidebarOf } from './sidebar.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { name, description } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

/** Where the pages are in the repository, and where they are on the site. */
const rewrites = {
  'README.md': 'index.md',
  'CHANGELOG.md': 'changelog.md',
  'CONTRIBUTING.md': 'contributing.md',
  'docs/README.md': 'contents.md',
  'docs/:path(.*)': ':path',
  'site/api/:path(.*)': 'api/:path',
};

/** Files that pages link to, by their names on the site. */
const files = { LICENSE: 'LICENSE.txt' };

export default defineConfig({
  title: name,
  description,
  lang: 'en',
  // No icon: without this line browsers ask for one.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  srcDir: root,
  srcExclude: ['{bench,dist,lib,sample-app,test,tools,node_modules}/**', 'site/{dist,node_modules}/**'],
  rewrites,
  outDir: fileURLToPath(new URL('../dist', import.meta.url)),
  cacheDir: fileURLToPath(new URL('../node_modules/.vitepress', import.meta.url)),
  markdown: {
    // The anchors that GitHub makes, so that links to headings work in both places.
    anchor: { slugify: slug },
    languageAlias: { env: 'ini' },
    config: linksBySource(root, { ...rewrites, ...files }),
  },
  vite: { plugins: [vueForPages()] },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/guide/quick-start', activeMatch: '^/guide/' },
      { text: 'Stores', link: '/stores/', activeMatch: '^/stores/' },
      { text: 'Reference', link: '/reference/options', activeMatch: '^/(reference|api)/' },
      { text: 'Changelog', link: '/changelog' },
    ],
    sidebar: [
      ...sidebarOf(pageOf('README.md'), pageOf('benchmarks/index.md')),
      apiSidebar(`${root}site/api`),
    ],
    outline: [2, 3],
    search: {
      provider: 'local',
      options: {
        // Pages that explain before lists of members, of which each store has the same.
        miniSearch: {
          searchOptions: { boostDocument: (id) => (id.startsWith('/api/') ? 0.2 : 1) },
        },
      },
    },
  },
  buildEnd: ({ outDir }) => {
    for (const [from, to] of Object.entries(files)) copyFileSync(`${root}${from}`, `${outDir}/${to}`);
    checkAnchors(outDir);
  },
});

function pageOf(file) {
  return readFileSync(`${root}docs/${file}`, 'utf8');
}

/**
 * Leaves Vue, which pages import when the site is rendered on the server, to Node.js: pages are outside this folder,
 * where Vite does not find it.
 */
function vueForPages() {
  return {
    name: 'vue-for-pages',
    enforce: 'pre',
    resolveId: (source, importer, { ssr }) =>
      ssr && /^vue($|\/)/.test(source) ? { id: source, external: true } : undefined,
  };
}
