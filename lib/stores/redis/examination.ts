import {
  atRisk,
  clockFinding,
  connectionFinding,
  explained,
  notAllowed,
  timed,
  unknown,
  type Finding,
} from '../../contract/examination.js';
import type { RedisConnectionOptions } from './address.js';
import { RedisConnection } from './connection.js';
import {
  fieldsIn,
  judgeCluster,
  judgeEviction,
  judgeMemory,
  judgePersistence,
  judgeReplication,
  judgeVersion,
  settingsIn,
  type Fields,
  type Settings,
} from './judgement.js';
import { examineRights, type Examined } from './rights.js';
import { SUBJECTS } from './subjects.js';

/** What an examination of Redis needs of its store. */
export interface Examiner extends Pick<Examined, 'prefix' | 'storeOf'> {
  options: RedisConnectionOptions;
  timeout: number;
  /** Runs one step under a deadline, and rejects with the error of a store that has this connection. */
  step<T>(connection: RedisConnection, operation: 'open' | 'examine', work: () => Promise<T>): Promise<T>;
}

/** Examines the servers of a store. */
export async function* examineRedis(examiner: Examiner): AsyncGenerator<Finding, void, undefined> {
  const { options, timeout, prefix } = examiner;
  const connection = new RedisConnection(options, timeout);
  const examined: Examined = {
    connection,
    prefix,
    storeOf: (other) => examiner.storeOf(other),
    step: (work) => examiner.step(connection, 'examine', work),
  };
  try {
    try {
      await examiner.step(connection, 'open', () => connection.open());
    } catch (error) {
      yield connectionFinding(SUBJECTS.connection, error);
      return;
    }
    for (const server of connection.primaries('examine')) yield* examineServer(server, examined);
    yield* await examineRights(examined);
  } finally {
    await connection.close();
  }
}

type Server = ReturnType<RedisConnection['primaries']>[number];

async function* examineServer(server: Server, { connection, step }: Examined): AsyncGenerator<Finding> {
  const named = (finding: Finding): Finding =>
    connection.isCluster ? { ...finding, found: `${server.name}: ${finding.found}` } : finding;
  const ask = (name: string, ...args: string[]) => step(() => server.send(name, ...args));

  let settings: Settings;
  try {
    const names = ['appendfsync', 'save', 'min-replicas-max-lag'];
    settings = settingsIn(await Promise.all(names.map((name) => ask('CONFIG', 'GET', name))));
  } catch (error) {
    settings = undefined;
    yield named(denied(SUBJECTS.persistence, 'CONFIG GET', '+config|get', error));
  }

  try {
    const info = fieldsIn(String(await ask('INFO')));
    yield named(judgeVersion(info));
    yield named(judgeEviction(info));
    yield named(judgeMemory(info));
    yield named(judgePersistence(info, settings));
    yield named(judgeReplication(info, settings));
    yield* await clusterOf(info, connection.isCluster, ask).then((all) => all.map(named));
  } catch (error) {
    for (const subject of OF_INFO) yield named(denied(subject, 'INFO', '+info', error));
  }

  try {
    const { reply, readAt } = await timed(() => ask('TIME'));
    const [seconds, microseconds] = reply as [string, string];
    const ahead = Number(seconds) * 1000 + Number(microseconds) / 1000 - readAt;
    yield named(clockFinding(SUBJECTS.clock, ahead));
  } catch (error) {
    yield named(denied(SUBJECTS.clock, 'TIME', '+time', error));
  }
}

const OF_INFO = [
  SUBJECTS.version,
  SUBJECTS.eviction,
  SUBJECTS.memory,
  SUBJECTS.persistence,
  SUBJECTS.replication,
];

async function clusterOf(
  info: Fields,
  isCluster: boolean,
  ask: (name: string, ...args: string[]) => Promise<unknown>,
): Promise<Finding[]> {
  if (info.get('cluster_enabled') !== '1') return [];
  if (!isCluster) {
    return [
      atRisk(
        SUBJECTS.cluster,
        'The server is a node of a Redis Cluster, and the store uses it as a single server.',
        'The store does not open, because most keys are on other nodes.',
        'Use the option cluster, or pass a Cluster as client.',
      ),
    ];
  }
  try {
    return [judgeCluster(fieldsIn(String(await ask('CLUSTER', 'INFO'))))];
  } catch (error) {
    return [denied(SUBJECTS.cluster, 'CLUSTER INFO', '+cluster|info', error)];
  }
}

/** The finding about a command that failed: the user lacks the right, the server lacks the command, or something else. */
function denied(subject: string, command: string, right: string, error: unknown): Finding {
  const { cause } = error as Error;
  const reply = cause instanceof Error ? cause.message : '';
  if (/NOPERM|no permissions/i.test(reply)) {
    return notAllowed(
      subject,
      `The user may not run ${command}.`,
      `Allow it with ACL SETUSER: ${right}. Or check the server yourself.`,
    );
  }
  if (/unknown command/i.test(reply)) {
    return notAllowed(
      subject,
      `The server does not offer ${command}.`,
      'Check the settings with the provider of the server.',
    );
  }
  const { problem, remedy } = explained(error);
  return unknown(subject, `${command} failed: ${problem}`, remedy);
}
