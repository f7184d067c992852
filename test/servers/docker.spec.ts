import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../eventually.js';
import { contained, firstOf } from './programs.mjs';
import { call, startRedis } from './redis.mjs';
import { localPrograms } from './redis.server.mjs';
import { running, starter } from './starter.js';

/** The folder of a fake `docker`, so that this is tested on machines without an engine. */
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'docker-'));
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(folder, { recursive: true }));

function fakeDocker(...lines: string[]): void {
  writeFileSync(join(folder, 'docker'), ['#!/bin/sh', ...lines].join('\n'), { mode: 0o755 });
}

describe('a running Docker engine', () => {
  /** The containers are the local program, which survives when `docker run` is killed, as containers do. */
  beforeAll(async () => {
    const { command, env } = (await firstOf(localPrograms, 'This spec needs a local Redis.')).launch([], '');
    fakeDocker(
      `cd ${folder}`,
      'echo "$*" >> calls',
      'case $1 in',
      'kill) kill -KILL $(cat $2);;',
      'pause) kill -STOP $(cat $2);;',
      'unpause) kill -CONT $(cat $2);;',
      'run)',
      '  while [ $1 != redis-server ]; do',
      '    if [ $1 = --name ]; then name=$2; fi',
      '    shift',
      '  done',
      '  shift',
      `  LD_LIBRARY_PATH=${env?.['LD_LIBRARY_PATH'] ?? ''} ${command} "$@" &`,
      '  echo $! > $name',
      '  trap "kill $!" TERM',
      '  wait $!',
      '  wait $!',
      'esac',
    );
  });

  const containers = (): number[] =>
    readdirSync(folder)
      .filter((file) => file.startsWith('session-server-'))
      .map((file) => Number(readFileSync(join(folder, file), 'utf8')))
      .filter(running);

  it('runs the image of compose.yml in the network of the host, and stops, freezes and kills it', async () => {
    vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
    const server = await startRedis({ program: await contained('redis', 'redis-server') });
    onTestFinished(() => server.kill());
    expect(server.origin).toMatch(/^redis:\S+ in Docker$/);
    const calls = readFileSync(join(folder, 'calls'), 'utf8');
    expect(calls).toMatch(
      /^run --rm --network host --name session-server-\S+ .* redis:\S+ redis-server --port/m,
    );

    await server.freeze();
    await expect(call(server.url, 'PING')).rejects.toThrow(/timed? ?out/i);
    await server.thaw();
    expect(await call(server.url, 'PING')).toBe('PONG');

    for (const end of ['kill', 'stop'] as const) {
      expect(containers()).toHaveLength(1);
      await server[end]();
      expect(containers()).toEqual([]);
      await server.start();
    }
  });

  it('is preferred to a local program, and its containers are removed with the process that started them', async () => {
    const { child, result } = await starter({ PATH: `${folder}:${process.env['PATH']}` });
    expect(result.origin).toMatch(/ in Docker$/);
    const [container] = containers();
    child.kill('SIGKILL');
    await eventually(() => !running(container!) && !running(result.pid));
  });
});

describe('an unavailable Docker engine', () => {
  it.each([
    [
      'is down',
      ['echo "Cannot connect to the Docker daemon" >&2', 'exit 1'],
      'Cannot connect to the Docker daemon',
    ],
    ['hangs', ['exec /bin/sleep 60'], 'no response within 3 s'],
  ])('that %s is skipped', async (_, lines, reason) => {
    fakeDocker(...lines);
    const { result } = await starter({ PATH: folder, SERVERS_DIR: join(folder, 'none') });
    expect(result.error).toContain(`- Docker: ${reason}\n`);
  });
});
