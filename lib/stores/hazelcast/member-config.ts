import { atRisk, ok, unknown, type Finding } from '../../contract/examination.js';
import { matches } from './config.js';
import { SUBJECTS } from './subjects.js';

/** The parsed YAML file of a member. */
export interface MemberConfig {
  file: string;
  content: unknown;
}

/** The cluster of a store. */
interface Cluster {
  mapNames: readonly string[];
  /** How many members have data. */
  members: number;
}

/**
 * What a client cannot read from a member: backups, eviction and split-brain protection. They are judged by the member's
 * file. Without one, the findings say what to look for.
 */
export function judgeMemberConfig(config: MemberConfig | undefined, cluster: Cluster): Finding[] {
  if (!config) return LOOK_FOR;
  const root = sectionIn(config.content, 'hazelcast');
  if (!root) {
    const found = `${config.file} has no hazelcast section.`;
    const remedy = 'Pass the YAML file that the members are started with.';
    return LOOK_FOR.map(({ subject }) => unknown(subject, found, remedy));
  }
  return cluster.mapNames.flatMap((name) => {
    const map = mapOf(root, name);
    const where = `In ${config.file} the map ${name}`;
    return [judgeBackups(map, where), judgeEviction(map, where), judgeProtection(root, map, where, cluster)];
  });
}

const LOOK_FOR: Finding[] = [
  unknown(
    SUBJECTS.backups,
    'A client cannot read backup-count.',
    "Look for a backup-count of at least 1 in the members' configuration, or pass their YAML file.",
  ),
  unknown(
    SUBJECTS.eviction,
    'A client cannot read eviction.',
    "Look for no eviction-policy but NONE in the members' configuration, or pass their YAML file.",
  ),
  unknown(
    SUBJECTS.splitBrain,
    'A client cannot read split-brain-protection.',
    "Look for a split-brain-protection-ref with a minimum-cluster-size of more than half of the members in the members' configuration, or pass their YAML file.",
  ),
];

type Section = Readonly<Record<string, unknown>>;

function judgeBackups(map: Section, where: string): Finding {
  const count = Number(map['backup-count'] ?? 1);
  if (count >= 1) return ok(SUBJECTS.backups, `${where} has a backup-count of ${count}.`);
  return atRisk(
    SUBJECTS.backups,
    `${where} has a backup-count of 0.`,
    'The crash of one member loses the sessions that it holds. Asynchronous backups may miss the last writes, such as a logout.',
    'Set backup-count: 1, or more.',
  );
}

function judgeEviction(map: Section, where: string): Finding {
  const eviction = sectionIn(map, 'eviction');
  const policy = String(eviction?.['eviction-policy'] ?? 'NONE').toUpperCase();
  if (policy === 'NONE') return ok(SUBJECTS.eviction, `${where} evicts nothing.`);
  return atRisk(
    SUBJECTS.eviction,
    `${where} has the eviction-policy ${policy}.`,
    'A full map removes live sessions, so users are logged out, and tombstones, so a request in progress may bring a session back.',
    'Set eviction-policy: NONE.',
  );
}

function judgeProtection(root: Section, map: Section, where: string, { members }: Cluster): Finding {
  const reference = map['split-brain-protection-ref'];
  const risk =
    'If the network splits, each side goes on alone. When they meet, the sessions of the larger side win, so a logout on the smaller side is undone.';
  const remedy =
    'Set a split-brain-protection-ref to an enabled split-brain-protection whose minimum-cluster-size is more than half of the members, with protect-on: READ_WRITE. The smaller side then rejects calls.';
  if (reference === undefined) {
    return atRisk(SUBJECTS.splitBrain, `${where} has no split-brain-protection-ref.`, risk, remedy);
  }
  const protection = sectionIn(sectionIn(root, 'split-brain-protection'), String(reference));
  const size = Number(protection?.['minimum-cluster-size'] ?? NaN);
  const on = String(protection?.['protect-on'] ?? 'READ_WRITE').toUpperCase();
  const named = `${where} refers to the split-brain-protection ${String(reference)}`;
  if (protection?.['enabled'] !== true) {
    return atRisk(SUBJECTS.splitBrain, `${named}, which is not defined or not enabled.`, risk, remedy);
  }
  if (on === 'READ') {
    return atRisk(SUBJECTS.splitBrain, `${named}, which protects reads only.`, risk, remedy);
  }
  if (!(size > members / 2)) {
    return atRisk(
      SUBJECTS.splitBrain,
      `${named}, whose minimum-cluster-size is ${size}, of ${members} members.`,
      risk,
      remedy,
    );
  }
  return ok(SUBJECTS.splitBrain, `${named}, whose minimum-cluster-size is ${size}, of ${members} members.`);
}

/**
 * The configuration of a map, as a member finds it: by its name, by the most specific pattern, or that of `default`. What
 * an entry does not set has Hazelcast's own default, not that of the entry `default`.
 */
function mapOf(root: Section, name: string): Section {
  const maps = sectionIn(root, 'map') ?? {};
  const pattern = Object.keys(maps)
    .filter((one) => specificity(one, name) >= 0)
    .toSorted((a, b) => specificity(b, name) - specificity(a, name))[0];
  return sectionIn(maps, pattern ?? 'default') ?? {};
}

/** How many characters of a pattern match a name, `Infinity` for the name itself; -1 if it does not match. */
function specificity(pattern: string, name: string): number {
  if (pattern === name) return Infinity;
  return matches(name, pattern) ? pattern.length - 1 : -1;
}

/** A section of a YAML document. A section without content is empty. */
function sectionIn(parent: unknown, name: string): Section | undefined {
  if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, name)) return undefined;
  const section = (parent as Section)[name] ?? {};
  return typeof section === 'object' && !Array.isArray(section) ? (section as Section) : undefined;
}
