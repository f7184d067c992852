import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { stringify } from 'yaml';
import { eventually } from '../eventually.js';
import { connect, type HazelcastClient } from '../hazelcast/client.js';
import { startHazelcast } from '../servers/hazelcast.mjs';
import { examined, RIGHT_OPTIONS } from './examined.js';

let folder: string;
let client: HazelcastClient;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  client = await connect();
});
afterAll(async () => {
  await client.shutdown();
  await rm(folder, { recursive: true });
});

/** A file with this content; its path. */
async function fileOf(text: string): Promise<string> {
  const file = join(folder, `${randomUUID()}.yaml`);
  await writeFile(file, text);
  return file;
}

const { clusterName, members } = inject('hazelcast');
const config = { clusterName, network: { clusterMembers: members } };

const RIGHT_CONFIG = {
  hazelcast: {
    map: { default: { 'backup-count': 1, 'split-brain-protection-ref': 'majority' } },
    'split-brain-protection': { majority: { enabled: true, 'minimum-cluster-size': 2 } },
  },
};

describe('a cluster of two members', () => {
  it('has no risk, with options and a configuration that have none, and everything could be seen', async () => {
    const mapName = `doctor-${randomUUID()}`;
    const store = new HazelcastStore({ config, maps: [{ mapName }] });
    const hazelcastConfig = await fileOf(stringify(RIGHT_CONFIG));
    const findings = await examined({ store, options: RIGHT_OPTIONS, hazelcastConfig });
    expect(findings.all.filter(({ outcome }) => outcome !== 'ok').map(({ subject }) => subject)).toEqual([
      'Sessions per user',
    ]);
    expect(findings.with('ok').filter((subject) => subject.startsWith('Hazelcast'))).toEqual([
      'Hazelcast members',
      'Hazelcast client',
      'Hazelcast time to live',
      'Hazelcast maximum idle time',
      'Hazelcast clock',
      'Hazelcast backups',
      'Hazelcast eviction',
      'Hazelcast split-brain protection',
    ]);
    expect(findings.about('Hazelcast clock')).toHaveLength(2);
    for (const name of [mapName, `${mapName}.clock`])
      expect(await (await client.getMap(name)).size(), name).toBe(0);
  });

  it('has a risk if sessions outlive the entries of the map', async () => {
    const options = {
      ...RIGHT_OPTIONS,
      cookie: { secure: true, maxAge: 48 * 3_600_000 },
      absoluteTimeout: 1e9,
    };
    const findings = await examined({ store: new HazelcastStore({ config }), options });
    expect(findings.risks).toEqual(['Hazelcast time to live']);
    expect(findings.of('Hazelcast time to live')).toMatchObject({
      found:
        'The map Sessions has a time-to-live-seconds of 86400, and an unused session lives for 172800 s.',
      remedy: 'Set time-to-live-seconds of the map to 172802 or more.',
    });
  });

  it('has a risk if its client is one of the app without the settings for failures', async () => {
    const findings = await examined({ store: new HazelcastStore({ client }) });
    expect(findings.risks).toEqual(['Hazelcast client']);
    expect(findings.of('Hazelcast client').found).toContain('fail.on.indeterminate.state');
    expect(client.getLifecycleService().isRunning()).toBe(true);
  });

  it('shows no backups to a client, so the findings say what to look for', async () => {
    const findings = await examined({ store: new HazelcastStore({ config }) });
    expect(findings.with('unknown')).toEqual([
      'Hazelcast backups',
      'Hazelcast eviction',
      'Hazelcast split-brain protection',
    ]);
    expect(findings.of('Hazelcast backups').remedy).toContain('backup-count of at least 1');
  });

  it.each<[string, string, RegExp]>([
    ['is not YAML', 'password: "unclosed secret', /is not valid YAML \(\w+, line 1\)/],
    ['is not of a member', 'redis: {}', /has no hazelcast section/],
  ])('does not use a configuration that %s', async (_, text, found) => {
    const hazelcastConfig = await fileOf(text);
    const findings = await examined({ store: new HazelcastStore({ config }), hazelcastConfig });
    const unknown = findings.all.filter(({ outcome }) => outcome === 'unknown');
    expect(unknown[0]!.found).toMatch(found);
    expect(unknown.map(({ subject }) => subject)).toContain('Hazelcast backups');
    expect(JSON.stringify(findings.all)).not.toContain('secret');
  });
});

describe('a member alone', () => {
  const maps = {
    Brief: { 'time-to-live-seconds': 60, 'max-idle-seconds': 30 },
    'End*': { 'backup-count': 0, eviction: { 'eviction-policy': 'LRU' } },
  };
  let cluster: Awaited<ReturnType<typeof startHazelcast>>;
  const storeOf = (mapName: string) =>
    new HazelcastStore({
      config: { clusterName: cluster.clusterName, network: { clusterMembers: cluster.addresses } },
      maps: [{ mapName }],
    });
  beforeAll(async () => {
    cluster = await startHazelcast({ members: 1, maps });
  });
  afterAll(() => cluster.stop());

  it('has the risks that it is alone, and that a map ends sessions early', async () => {
    const findings = await examined({ store: storeOf('Brief'), options: RIGHT_OPTIONS });
    expect(findings.risks).toEqual([
      'Hazelcast members',
      'Hazelcast time to live',
      'Hazelcast maximum idle time',
    ]);
    expect(findings.of('Hazelcast time to live').found).toBe(
      'The map Brief has a time-to-live-seconds of 60, and an unused session lives for 1800 s.',
    );
    expect(findings.of('Hazelcast maximum idle time').found).toBe(
      'The map Brief has a max-idle-seconds of 30.',
    );
  });

  it('has the risks of a map that never removes entries, and that its configuration shows', async () => {
    const hazelcastConfig = await fileOf(stringify({ hazelcast: { map: maps } }));
    const findings = await examined({ store: storeOf('Endless'), options: RIGHT_OPTIONS, hazelcastConfig });
    expect(findings.risks).toEqual([
      'Hazelcast members',
      'Hazelcast time to live',
      'Hazelcast backups',
      'Hazelcast eviction',
      'Hazelcast split-brain protection',
    ]);
    expect(findings.of('Hazelcast time to live').found).toBe('The map Endless has no time-to-live-seconds.');
  });

  it('that does not respond ends the examination within its deadlines', async () => {
    const store = storeOf('Brief');
    await eventually(async () => (await examined({ store })).about('Hazelcast clock').length > 0);
    await cluster.members[0]!.freeze();
    try {
      const begun = performance.now();
      expect((await examined({ store })).risks).toEqual(['Hazelcast connection']);
      expect(performance.now() - begun).toBeLessThan(6000);
    } finally {
      await cluster.members[0]!.thaw();
    }
  });
});
