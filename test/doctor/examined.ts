import { examine, type Examination, type Finding } from 'nestjs-session-stores/doctor';

/** All findings of an examination. */
export async function examined(examination: Examination): Promise<Findings> {
  const all: Finding[] = [];
  for await (const finding of examine(examination)) all.push(finding);
  return new Findings(all);
}

/** The findings of one examination. */
export class Findings {
  constructor(readonly all: readonly Finding[]) {}

  /** The subjects that are a risk. */
  get risks(): string[] {
    return this.with('risk');
  }

  /** The subjects with an outcome, each once. */
  with(outcome: Finding['outcome']): string[] {
    return [...new Set(this.all.filter((one) => one.outcome === outcome).map(({ subject }) => subject))];
  }

  /** The findings about a subject. */
  about(subject: string): Finding[] {
    return this.all.filter((one) => one.subject === subject);
  }

  /** The only finding about a subject. */
  of(subject: string): Finding {
    const [finding, ...others] = this.about(subject);
    if (!finding || others.length > 0)
      throw new Error(`${others.length + (finding ? 1 : 0)} findings about ${subject}`);
    return finding;
  }
}

/** Options without a risk, as the page on security recommends them. */
export const RIGHT_OPTIONS = {
  secret: 'a secret of at least 32 characters, for specs',
  name: '__Host-sid',
  cookie: { secure: true, maxAge: 30 * 60_000 },
  absoluteTimeout: 12 * 60 * 60_000,
} as const;
