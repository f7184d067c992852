import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { chromium } from './chromium.mjs';

afterEach(() => void vi.unstubAllEnvs());

it('a Chromium whose path is set in the environment is used', async () => {
  vi.stubEnv('CHROMIUM', '/somewhere/chromium');
  expect(await chromium()).toBe('/somewhere/chromium');
});

it('without a Chromium the error says what was tried and what to do', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'chromium-'));
  try {
    vi.stubEnv('CHROMIUM', '');
    vi.stubEnv('PATH', empty);
    const error = await chromium().catch((thrown: Error) => thrown);
    expect((error as Error).message.split('\n')).toEqual([
      '- PATH: no chromium, chromium-browser, google-chrome, google-chrome-stable in PATH',
      '- Debian package: no apt-get in PATH',
      'No Chromium can be started: set CHROMIUM to the path of one, or install the package chromium.',
    ]);
  } finally {
    rmSync(empty, { recursive: true });
  }
});
