import { examine, type Finding } from '../../doctor/index.js';
import type { Examination } from '../command.js';
import { EXIT } from '../exit.js';
import type { Output, Style } from '../output.js';
import { withStatus } from '../status.js';

/** What to examine beside the store and its options, and how much to print. */
export interface DoctorFlags {
  hazelcastConfig?: string;
  verbose?: boolean;
}

type Outcome = Finding['outcome'];

/** The outcomes in the order in which they are printed, each with its title and its words in the last line. */
const OUTCOMES: Record<Outcome, { title: string; style: Style; counted: (count: number) => string }> = {
  risk: { title: 'Risks', style: 'red', counted: (count) => (count === 1 ? '1 risk' : `${count} risks`) },
  'not allowed to look': {
    title: 'Not allowed to look',
    style: 'yellow',
    counted: (count) => `${count} not allowed to look at`,
  },
  unknown: { title: 'Unknown', style: 'yellow', counted: (count) => `${count} unknown` },
  ok: { title: 'Right', style: 'green', counted: (count) => `${count} right` },
};

/** Examines the store and its options, and prints what it finds; what is right only with `verbose`. */
export async function doctor(
  { store, options, output, interruption }: Examination,
  { hazelcastConfig, verbose = false }: DoctorFlags,
): Promise<number> {
  const findings: Finding[] = [];
  const isPrinted = ({ outcome }: Finding): boolean => verbose || outcome !== 'ok';
  await withStatus(output, 'Examining', async () => {
    for await (const finding of interruption.values(examine({ store, options, hazelcastConfig }))) {
      findings.push(finding);
      if (!output.isForPeople && isPrinted(finding)) await output.json(finding);
    }
  });
  if (output.isForPeople) await output.lines(report(findings, isPrinted, output));
  if (findings.some(({ outcome }) => outcome === 'risk')) return EXIT.negative;
  return findings.some(isFailure) ? EXIT.failed : EXIT.done;
}

/** Whether a finding says that the store was not examined, as when its server is unreachable. */
function isFailure({ outcome, subject }: Finding): boolean {
  return outcome === 'unknown' && subject === 'Store';
}

function report(
  findings: readonly Finding[],
  isPrinted: (finding: Finding) => boolean,
  output: Output,
): string[] {
  const lines: string[] = [];
  const counts: string[] = [];
  for (const [outcome, { title, style, counted }] of Object.entries(OUTCOMES)) {
    const group = findings.filter((finding) => finding.outcome === outcome);
    if (group.length > 0) counts.push(counted(group.length));
    const printed = group.filter(isPrinted);
    if (printed.length > 0) lines.push(output.styled(style, title), ...linesOf(printed, output), '');
  }
  return [...lines, `${counts.join(', ')}.`];
}

/** A line for each finding, and a paragraph for each with a remedy. */
function linesOf(findings: readonly Finding[], output: Output): string[] {
  return findings.flatMap(({ subject, found, risk, remedy }, at) => [
    ...(remedy !== undefined && at > 0 ? [''] : []),
    `  ${output.styled('bold', output.hidden(subject))}: ${output.hidden(found)}`,
    ...(risk === undefined ? [] : [`    Risk: ${output.hidden(risk)}`]),
    ...(remedy === undefined ? [] : [`    To do: ${output.hidden(remedy)}`]),
  ]);
}
