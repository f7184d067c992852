/**
 * Texts of sessions and servers as they may be printed: characters that would control a terminal, or change the order of
 * others, are escaped as in JSON. Inside of a JSON text the result means the same.
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(CONTROLS, escaped);
}

/** A value as one line of JSON. */
export function jsonLine(value: unknown): string {
  return printable(JSON.stringify(value));
}

/** Everything that is not printed itself, except for the joiners of letters and emoji. */
const CONTROLS = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');
}

/** A column of a table: its title, and the text of a row in it. */
export interface Column<Row> {
  title: string;
  of(row: Row): string;
}

/** A table that is printed page by page. A column never becomes narrower than on an earlier page. */
export class Table<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #widths: number[];
  #hasTitles = false;

  constructor(columns: readonly Column<Row>[]) {
    this.#columns = columns;
    this.#widths = columns.map(({ title }) => widthOf(title));
  }

  /** The lines of some rows, after a line of titles the first time. `emphasis` marks the titles. */
  lines(rows: readonly Row[], emphasis: (text: string) => string): string[] {
    const cells = rows.map((row) => this.#columns.map(({ of }) => printable(of(row))));
    for (const row of cells)
      for (const [at, cell] of row.entries()) this.#widths[at] = Math.max(this.#widths[at]!, widthOf(cell));
    const lines = cells.map((row) => this.#line(row));
    if (this.#hasTitles) return lines;
    this.#hasTitles = true;
    return [emphasis(this.#line(this.#columns.map(({ title }) => title))), ...lines];
  }

  #line(cells: readonly string[]): string {
    return cells
      .map((cell, at) => cell + ' '.repeat(this.#widths[at]! - widthOf(cell)))
      .join('  ')
      .trimEnd();
  }
}

const GRAPHEMES = new Intl.Segmenter();

/** What most terminals show two columns wide. */
const WIDE =
  /[\p{sc=Han}\p{sc=Hangul}\p{sc=Hiragana}\p{sc=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;

/** How many columns of a terminal a text takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const { segment } of GRAPHEMES.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}
