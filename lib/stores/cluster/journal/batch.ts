/** Entries that are written together, and acknowledged together. */
export class Batch {
  readonly written: Promise<void>;
  resolve!: () => void;
  reject!: (error: unknown) => void;
  characters = 0;
  /** The number of the last entry. */
  last = 0;
  private readonly lines: string[] = [];

  constructor() {
    this.written = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Nothing may wait for it: an expiry is not acknowledged.
    this.written.catch(() => {});
  }

  get text(): string {
    return this.lines.join('');
  }

  add(line: string, number: number): void {
    this.lines.push(line);
    this.characters += line.length;
    this.last = number;
  }
}
