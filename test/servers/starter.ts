import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** What another process reports about the Redis that it started, or why it could not. */
interface StarterResult {
  url: string;
  pid: number;
  origin: string;
  error: string;
}

/** Forks a process that starts a Redis, with `env` added to the environment. It is killed after the test. */
export async function starter(
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; result: StarterResult }> {
  const child = fork(join(import.meta.dirname, 'starter.process.mjs'), {
    env: { ...process.env, ...env },
    execArgv: [],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [result] = (await once(child, 'message')) as [StarterResult];
  return { child, result };
}

export function running(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
