import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { firstOf, which } from './programs.mjs';

const run = promisify(execFile);

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * The path of a Chromium for specs: from `CHROMIUM`, or else from `PATH`, or else that of Debian's package, which is
 * installed as root. It is not unpacked as a server is: no service starts with it, and it needs its fonts.
 *
 * @returns {Promise<string>}
 */
export async function chromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  return firstOf(
    { PATH: findInPath, 'Debian package': install },
    'No Chromium can be started: set CHROMIUM to the path of one, or install the package chromium.',
  );
}

async function findInPath() {
  for (const command of COMMANDS) {
    try {
      return which(command);
    } catch {
      // The next one.
    }
  }
  throw new Error(`no ${COMMANDS.join(', ')} in PATH`);
}

async function install() {
  const aptGet = which('apt-get');
  if (process.getuid() !== 0) throw new Error('apt-get install chromium needs root');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => run(aptGet, ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], { env });
  await apt('update');
  await apt('install', '-y', '--no-install-recommends', 'chromium', 'fonts-liberation');
  return which('chromium');
}
