import { readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import ts from 'typescript';
import { pageNamed, root } from '../docs/pages.js';

/** A row of docs/migrate/features.md. */
export interface Feature {
  package: string;
  feature: string;
  here: string;
  /** The name of the linked test. */
  test: string;
  /** The file of the linked test, from the root of the project. */
  file: string;
}

const PAGE = 'docs/migrate/features.md';
const { sections } = pageNamed(PAGE);

/** The packages that have a section. */
export const packages: string[] = sections.filter(({ level }) => level === 2).map(({ title }) => title);

/** Every row of every table. Throws if a row has no test. */
export const features: Feature[] = sections
  .filter(({ level }) => level === 2)
  .flatMap(({ title, text }) => rowsIn(text).map((row) => featureIn(title, row)));

/** The rows of a table, without its head. */
function rowsIn(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2);
}

function featureIn(title: string, row: string): Feature {
  const [, feature, here, test, link] = /^\| (.+?) \| (.+?) \| \[(.+)\]\((\S+)\) \|$/.exec(row) ?? [];
  if (link === undefined) throw new Error(`${PAGE}: a row of ${title} has no test: ${row}`);
  return {
    package: title,
    feature: feature!,
    here: here!,
    test: test!,
    file: normalize(join('docs/migrate', link)),
  };
}

/** A test, by its own title and by the titles of its `describe`s before it, as `vitest -t` finds it. */
export interface Title {
  own: string;
  full: string;
}

const cached = new Map<string, Title[]>();

/** The tests of a file that always run. Throws if there is no such file. */
export function titlesIn(file: string): Title[] {
  const known = cached.get(file);
  if (known) return known;
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest);
  const titles: Title[] = [];
  const visit = (node: ts.Node, outer: string[]): void => {
    const names = ts.isCallExpression(node) ? namesOf(node.expression) : [];
    const [title] = ts.isCallExpression(node) ? node.arguments : [];
    const isTitled = title !== undefined && ts.isStringLiteralLike(title);
    if (names.some((name) => ['skip', 'skipIf', 'runIf', 'todo', 'fails'].includes(name))) return;
    if (isTitled && names[0] === 'it')
      return void titles.push({ own: title.text, full: [...outer, title.text].join(' ') });
    const inner = isTitled && names[0] === 'describe' ? [...outer, title.text] : outer;
    ts.forEachChild(node, (child) => visit(child, inner));
  };
  visit(source, []);
  cached.set(file, titles);
  return titles;
}

/** The names that a call goes through: `it`, `concurrent` and `each` for `it.concurrent.each(rows)(…)`. */
function namesOf(callee: ts.Expression): string[] {
  if (ts.isIdentifier(callee)) return [callee.text];
  if (ts.isPropertyAccessExpression(callee)) return [...namesOf(callee.expression), callee.name.text];
  if (ts.isCallExpression(callee)) return namesOf(callee.expression);
  return [];
}
