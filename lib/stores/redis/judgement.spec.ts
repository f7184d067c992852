import { describe, expect, it } from 'vitest';
import {
  fieldsIn,
  judgeCluster,
  judgeEviction,
  judgeMemory,
  judgePersistence,
  judgeReplication,
  judgeVersion,
  settingsIn,
} from './judgement.js';

const info = (fields: Record<string, string>) => new Map(Object.entries(fields));

it('a reply to INFO is read line by line, without its headings', () => {
  const reply =
    '# Server\r\nredis_version:7.0.15\r\nexecutable:/usr/bin/redis:server\r\n\r\n# Memory\r\nmaxmemory:0\r\n';
  expect([...fieldsIn(reply)]).toEqual([
    ['redis_version', '7.0.15'],
    ['executable', '/usr/bin/redis:server'],
    ['maxmemory', '0'],
  ]);
});

it('replies to CONFIG GET are read together, and a setting that a server lacks has none', () => {
  expect([...settingsIn([['save', ''], [], ['appendfsync', 'always']])]).toEqual([
    ['save', ''],
    ['appendfsync', 'always'],
  ]);
});

describe('the version', () => {
  it.each([
    ['6.0.20', 'risk'],
    ['5.0.14', 'risk'],
    ['6.2.0', 'ok'],
    ['8.4.1', 'ok'],
  ])('%s of Redis is %s', (version, outcome) => {
    expect(judgeVersion(info({ redis_version: version })).outcome).toBe(outcome);
  });

  it('of Valkey is that of Valkey, and not of the Redis that it stands for', () => {
    const { outcome, found } = judgeVersion(info({ redis_version: '7.2.4', valkey_version: '9.1.2' }));
    expect({ outcome, found }).toEqual({ outcome: 'ok', found: 'The server is Valkey 9.1.2.' });
  });
});

it('memory is a risk above nine tenths of maxmemory', () => {
  const outcome = (used: number) =>
    judgeMemory(info({ used_memory: String(used), maxmemory: '1000' })).outcome;
  expect([outcome(900), outcome(901)]).toEqual(['ok', 'risk']);
});

describe('persistence', () => {
  it.each(['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status'])(
    'that failed the last time is a risk, by %s',
    (field) => {
      const finding = judgePersistence(info({ aof_enabled: '1', [field]: 'err' }), undefined);
      expect(finding).toMatchObject({ outcome: 'risk', found: expect.stringContaining(field) as string });
    },
  );

  it('without the right to see settings says that appendfsync is not known', () => {
    const { outcome, found } = judgePersistence(info({ aof_enabled: '1' }), undefined);
    expect({ outcome, found }).toEqual({
      outcome: 'ok',
      found:
        'The append-only file is on. The loss of a crash depends on appendfsync, which could not be read.',
    });
    const { found: without } = judgePersistence(info({ aof_enabled: '0' }), undefined);
    expect(without).toBe('There is no append-only file, only at most snapshots.');
  });
});

it('replicas that are expected but not connected are no risk, because writes are rejected', () => {
  const finding = judgeReplication(
    info({ role: 'master', connected_slaves: '0', min_slaves_good_slaves: '0' }),
    undefined,
  );
  expect(finding).toMatchObject({ outcome: 'ok', found: expect.stringContaining('0 replicas') as string });
});

it.each([
  ['ok', '16384', 'ok'],
  ['fail', '16384', 'risk'],
  ['ok', '16383', 'risk'],
])('a Cluster with the state %s and %s slots is %s', (state, slots, outcome) => {
  expect(judgeCluster(info({ cluster_state: state, cluster_slots_ok: slots })).outcome).toBe(outcome);
});

it.each([
  judgeVersion,
  judgeEviction,
  judgeMemory,
  (none: Map<string, string>) => judgePersistence(none, undefined),
  (none: Map<string, string>) => judgeReplication(none, undefined),
])('a reply without the field that counts is no finding of its own', (judge) => {
  expect(judge(new Map()).outcome).toBe('unknown');
});
