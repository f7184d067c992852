// Installs the dependencies of a folder when its lockfile is not the one that is installed, so that `npm start`,
// `npm test` and `npm run bench` work alone on a fresh clone. `npm ci` is not used: npm 11 refuses a lockfile that
// lacks packages for platforms the registry at hand does not serve.
import { execSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL(process.argv[2] ?? '.', new URL('..', import.meta.url)));
const stamp = join(folder, 'node_modules', '.installed');
const lockfile = createHash('sha256')
  .update(readFileSync(join(folder, 'package-lock.json')))
  .digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lockfile) {
  console.log('Installing dependencies …');
  execSync('npm install --no-save --no-audit --no-fund --loglevel error', { cwd: folder, stdio: 'inherit' });
  writeFileSync(stamp, lockfile);
}
