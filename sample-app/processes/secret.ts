import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A new secret. */
export function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** The secret in a directory, made at the first start. The cookies that it signs are valid after the next start, too. */
export async function keptSecret(directory: string): Promise<string> {
  const file = join(directory, 'secret');
  const secret = randomSecret();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, secret, { flag: 'wx', mode: 0o600 });
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readFile(file, 'utf8');
    throw error;
  }
}
