import { pageNamed } from '../docs/pages.js';

/** The rows of the tables below a heading of docs/reference/diagnostics.md, each as its cells. */
export function rowsUnder(title: string): string[][] {
  const section = pageNamed('docs/reference/diagnostics.md').sections.find((one) => one.title === title);
  if (!section) throw new Error(`docs/reference/diagnostics.md has no section ${title}`);
  const lines = section.text.split('\n');
  const rows = lines.filter((line, at) => line.startsWith('| `') && !lines[at + 1]?.startsWith('| ---'));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The names in a cell. */
export function namesIn(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}
