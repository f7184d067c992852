import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A fenced block of code. */
export interface Block {
  language: string;
  code: string;
  /** The line in its page that the code starts on. */
  line: number;
}

/** A heading, and what follows it up to the next heading of its level or above. */
export interface Section {
  level: number;
  title: string;
  /** The fragment of a link to it, as GitHub makes it. */
  anchor: string;
  text: string;
}

/** A Markdown page of the documentation. */
export interface Page {
  /** Relative to the root of the project. */
  path: string;
  text: string;
  blocks: Block[];
  sections: Section[];
  /** The targets of its links and pictures. */
  links: string[];
}

export const root = join(import.meta.dirname, '../..');

const paths = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md'))
  .map((path) => `docs/${path}`);

/** README.md, CONTRIBUTING.md and every page of docs/. */
export const pages: Page[] = ['README.md', 'CONTRIBUTING.md', ...paths.toSorted()].map(pageAt);

export function pageNamed(path: string): Page {
  const page = pages.find((one) => one.path === path);
  if (!page) throw new Error(`there is no ${path}`);
  return page;
}

function pageAt(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8');
  const blocks: Block[] = [];
  const headings: (Omit<Section, 'text'> & { line: number })[] = [];
  const prose: string[] = [];
  const uses = new Map<string, number>();
  const lines = text.split('\n');
  let open: { fence: string; language: string; from: number } | undefined;
  for (const [index, line] of lines.entries()) {
    const [, fence, language] = /^(`{3,})(\S*)/.exec(line) ?? [];
    if (open) {
      if (fence !== open.fence) continue;
      const code = lines.slice(open.from, index).join('\n');
      blocks.push({ language: open.language, code, line: open.from + 1 });
      open = undefined;
    } else if (fence !== undefined) {
      open = { fence, language: language!, from: index + 1 };
    } else {
      prose.push(line);
      const [, marks, title] = /^(#{1,6}) (.*)$/.exec(line) ?? [];
      if (marks === undefined) continue;
      const slug = slugOf(title!);
      const used = uses.get(slug) ?? 0;
      uses.set(slug, used + 1);
      const anchor = used === 0 ? slug : `${slug}-${used}`;
      headings.push({ level: marks.length, title: title!, anchor, line: index });
    }
  }
  if (open) throw new Error(`${path}: the block that starts on line ${open.from + 1} has no end`);
  const sections = headings.map(({ line, level, title, anchor }) => {
    const next = headings.find((other) => other.line > line && other.level <= level);
    return { level, title, anchor, text: lines.slice(line + 1, next?.line).join('\n') };
  });
  const linked = prose.join('\n').replace(/`[^`]*`/g, '');
  const links = [...linked.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return { path, text, blocks, sections, links };
}

/** As GitHub makes the fragments of headings. */
function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
