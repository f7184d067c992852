import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('a process with 128 MiB survives 400 sessions of 1 MiB: it drops those in no group, then creates no more', async () => {
  const program = `${import.meta.dirname}/memory.process.mjs`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--max-old-space-size=128', program]);
  const { anonymous, users, all, problem } = JSON.parse(stdout);
  expect(anonymous).toBeGreaterThan(20);
  expect(anonymous).toBeLessThan(60);
  expect({ users, all }).toEqual({ users: anonymous, all: anonymous });
  expect(problem).toContain('[session:cluster] create: the sessions take maxBytes');
});
