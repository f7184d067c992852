import { randomUUID } from 'node:crypto';
import {
  atRisk,
  clockFinding,
  connectionFinding,
  explained,
  ok,
  timed,
  unknown,
  type Finding,
  type SessionExamination,
} from '../../contract/examination.js';
import { INDETERMINATE } from './config.js';
import { HazelcastConnection, type HazelcastClient, type HazelcastConnectionOptions } from './connection.js';
import { SLACK } from './envelope.js';
import { JsonMap } from './map.js';
import { judgeMemberConfig } from './member-config.js';
import { hashOf } from './stripes.js';
import { SUBJECTS } from './subjects.js';
import { membersOf, ownersOf } from './topology.js';

/** What an examination of Hazelcast needs of its store. */
export interface Examiner {
  options: HazelcastConnectionOptions;
  mapNames: string[];
  timeout: number;
  /** Runs one step under a deadline, and rejects with the store's error. */
  step<T>(operation: 'open' | 'examine', work: () => Promise<T>): Promise<T>;
}

/** Examines the cluster of a store. */
export async function* examineHazelcast(
  { options, mapNames, timeout, step }: Examiner,
  { lifetime, serverConfig }: SessionExamination,
): AsyncGenerator<Finding, void, undefined> {
  const connection = new HazelcastConnection(options, mapNames, timeout, () => {});
  try {
    let client: HazelcastClient;
    try {
      // It has a deadline of its own.
      client = await connection.open();
      connection.check('examine');
    } catch (error) {
      yield connectionFinding(SUBJECTS.connection, error);
      return;
    }
    yield judgeMembers(client);
    yield judgeClient(client, options.client !== undefined);
    for (const name of mapNames) yield* await lifetimesOf(client, name, lifetime, step);
    yield* clocksOf(client, `${mapNames[0]}.clock`, step);
    yield* judgeMemberConfig(serverConfig, { mapNames, members: membersOf(client).length });
  } finally {
    await connection.close();
  }
}

function judgeMembers(client: HazelcastClient): Finding {
  // The client's types lack the version.
  const all = client.getCluster().getMembers() as { version?: Record<string, unknown> }[];
  const versions = [
    ...new Set(all.map(({ version = {} }) => `${version['major']}.${version['minor']}.${version['patch']}`)),
  ];
  const count = membersOf(client).length;
  const found = `The cluster has ${count === 1 ? 'one member' : `${count} members`} with data, of version ${versions.join(' and ')}.`;
  if (count > 1) return ok(SUBJECTS.members, found);
  return atRisk(
    SUBJECTS.members,
    found,
    'There is no backup of any session: a restart or crash of the member loses all of them, so every user is logged out.',
    'Start more members.',
  );
}

function judgeClient(client: HazelcastClient, isGiven: boolean): Finding {
  if (!isGiven) return ok(SUBJECTS.client, 'The store makes its client, with the settings that it needs.');
  const { properties, connectionStrategy } = client.getConfig();
  const missing = [
    ...(String(properties?.[INDETERMINATE]) === 'true' ? [] : [`properties['${INDETERMINATE}']: true`]),
    ...(connectionStrategy?.connectionRetry?.clusterConnectTimeoutMillis === -1
      ? []
      : ['connectionStrategy.connectionRetry.clusterConnectTimeoutMillis: -1']),
  ];
  if (missing.length === 0)
    return ok(SUBJECTS.client, 'The client of the app has the settings that the store needs.');
  return atRisk(
    SUBJECTS.client,
    `The client of the app lacks ${missing.join(' and ')}.`,
    'Without the former, a write whose backup does not respond counts as done, and a crash may undo a logout. Without the latter, the client may give up after an outage and never reconnect.',
    'Add them to its config, or let the store make its client by the option config.',
  );
}

/** The clock of each member, by an entry that the member holds for a second. Members tell whole seconds. */
async function* clocksOf(
  client: HazelcastClient,
  mapName: string,
  step: Examiner['step'],
): AsyncGenerator<Finding, void, undefined> {
  for (const { name, key } of placesOf(client)) {
    try {
      yield await step('examine', async () => {
        const map = new JsonMap(await client.getMap(mapName));
        const { reply: time, readAt } = await timed(() => map.timeOf(key).finally(() => map.delete(key)));
        if (time === undefined) return unknown(SUBJECTS.clock, `${name} keeps no times of entries.`);
        return clockFinding(SUBJECTS.clock, time + 500 - readAt, name);
      });
    } catch (error) {
      const { problem, remedy } = explained(error);
      yield unknown(SUBJECTS.clock, `The clock of ${name} could not be read: ${problem}`, remedy);
    }
  }
}

/** A random key on each member; only one, of an unknown member, if the client does not know the partitions yet. */
function placesOf(client: HazelcastClient): { name: string; key: string }[] {
  const owners = ownersOf(client);
  const members = membersOf(client);
  if (!members.every((member) => owners.includes(member))) return [{ name: 'A member', key: randomUUID() }];
  return members.map((member, at) => {
    let key = randomUUID();
    while (owners[Math.abs(hashOf(key)) % owners.length] !== member) key = randomUUID();
    return { name: members.length === 1 ? 'The member' : `Member ${at + 1} of ${members.length}`, key };
  });
}

/** The default lifetimes of the entries of a map, by an entry without a lifetime of its own, which is removed. */
async function lifetimesOf(
  client: HazelcastClient,
  name: string,
  lifetime: number,
  step: Examiner['step'],
): Promise<Finding[]> {
  // No key of a session, whatever the prefix of its store, starts with a slash.
  const key = `/doctor-${randomUUID()}`;
  const findings: Finding[] = [];
  let map: JsonMap | undefined;
  try {
    const { ttl, idle } = await step('examine', async () => {
      map = new JsonMap(await client.getMap(name));
      return map.defaultLifetimes(key);
    });
    findings.push(judgeLifetime(name, ttl, lifetime), judgeIdle(name, idle));
  } catch (error) {
    const { problem, remedy } = explained(error);
    for (const subject of [SUBJECTS.lifetime, SUBJECTS.idle])
      findings.push(
        unknown(subject, `The defaults of the map ${name} could not be read: ${problem}`, remedy),
      );
  }
  try {
    await step('examine', async () => map?.delete(key));
  } catch (error) {
    const found = `The entry ${key} of the map ${name} may not be removed: ${explained(error).problem}`;
    const remedy = 'It holds no data. Remove it when the cluster responds again.';
    findings.push(unknown(SUBJECTS.traces, found, remedy));
  }
  return findings;
}

function judgeLifetime(name: string, ttl: number, lifetime: number): Finding {
  const subject = SUBJECTS.lifetime;
  if (ttl === Infinity) {
    return atRisk(
      subject,
      `The map ${name} has no time-to-live-seconds.`,
      'An entry that a crash leaves between the two steps of a write stays forever, although its session expires. Members fill up slowly.',
      `Set time-to-live-seconds of the map above your longest session${lifetime === Infinity ? '' : `, which lives for ${seconds(lifetime)} s unused`}.`,
    );
  }
  const found = `The map ${name} has a time-to-live-seconds of ${seconds(ttl)}, and an unused session lives for ${lifetime === Infinity ? 'an unlimited time' : `${seconds(lifetime)} s`}.`;
  if (ttl >= lifetime) return ok(subject, found);
  return atRisk(
    subject,
    found,
    'A write that a crash interrupts between its two steps, or that meets a moving partition, leaves a session with the lifetime of the map, which ends it early.',
    lifetime === Infinity
      ? 'Give sessions an idle timeout.'
      : `Set time-to-live-seconds of the map to ${seconds(lifetime + SLACK)} or more.`,
  );
}

function judgeIdle(name: string, idle: number): Finding {
  if (idle === Infinity) return ok(SUBJECTS.idle, `The map ${name} has no max-idle-seconds.`);
  return atRisk(
    SUBJECTS.idle,
    `The map ${name} has a max-idle-seconds of ${seconds(idle)}.`,
    'Members remove sessions that were neither read nor written for that long, and tombstones, so a request in progress may bring a session back.',
    'Leave out max-idle-seconds of the map.',
  );
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}
