import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** What another process tells of the Redis that it started, or why it could not. */
interface Told {
  url: string;
  pid: number;
  origin: string;
  error: string;
}

/** Another process that starts a Redis, with `env` beside the environment; it ends with the test. */
export async function starter(env: NodeJS.ProcessEnv = {}): Promise<{ child: ChildProcess; told: Told }> {
  const child = fork(join(import.meta.dirname, 'starter.process.mjs'), {
    env: { ...process.env, ...env },
    execArgv: [],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [told] = (await once(child, 'message')) as [Told];
  return { child, told };
}

export function running(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
