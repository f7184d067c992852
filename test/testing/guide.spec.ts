import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { SessionStore } from 'nestjs-session-stores';
import { loginAs, MemoryStore } from 'nestjs-session-stores/testing';
import { transpiled } from '../docs/compiler.js';
import { pageNamed, root } from '../docs/pages.js';

/** Writes the block of a page that contains `word` as a module that runs, and returns its path. */
function written(page: string, word: string, name: string): string {
  const { code } = pageNamed(`docs/guide/${page}`).blocks.find(
    (block) => block.language === 'ts' && block.code.includes(word),
  )!;
  // In dist/, which is built anew, and from where the package's own name is found.
  const file = join(root, 'dist', name);
  writeFileSync(file, transpiled(code).replace(/^\/\/# sourceMappingURL=.*$/m, ''));
  return file;
}

describe("the guide's example for Vitest", async () => {
  await import(pathToFileURL(written('testing.md', "from 'vitest'", 'testing.vitest.js')).href);
});

it("the guide's example for node:test passes", async () => {
  const file = written('testing.md', "from 'node:test'", 'testing.node.js');
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--test', '--test-reporter=tap', '--test-timeout=20000', file],
    { cwd: root, env },
  );
  expect(stdout).toMatch(/^# pass 1$/m);
  expect(stdout).toMatch(/^# fail 0$/m);
});

it("the guide's service finds the session of each request with nestjs-cls", async () => {
  vi.stubEnv('SESSION_SECRET', 'guide');
  onTestFinished(() => void vi.unstubAllEnvs());
  const file = written('session-object.md', "from 'nestjs-cls'", 'session-object.cls.js');
  const { AppModule } = (await import(pathToFileURL(file).href)) as { AppModule: Type };
  const testing = await Test.createTestingModule({ imports: [AppModule] })
    .overrideProvider(SessionStore)
    .useValue(new MemoryStore())
    .compile();
  const app = testing.createNestApplication({ logger: false });
  await app.init();
  onTestFinished(() => app.close());
  const users = ['ann', 'ben', 'cay'];
  const logins = await Promise.all(users.map((user) => loginAs(app, { user })));
  const responses = await Promise.all(
    logins.map(({ headers }) => request(app.getHttpServer()).get('/me').set(headers)),
  );
  expect(responses.map(({ body }) => (body as { user: string }).user)).toEqual(users);
  await request(app.getHttpServer()).get('/me').expect(200, { user: null });
});
