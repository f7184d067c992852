// Finds the program of a Hazelcast member.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { contained, firstOf, installed } from './programs.mjs';

/** @typedef {import('./programs.mjs').Program} Program */

const VERSION = '5.6.0';
const run = promisify(execFile);

/** @type {Promise<Program> | undefined} */
let found;

/**
 * Java with a member on its class path.
 *
 * @returns {Promise<Program>}
 */
export const hazelcastProgram = () =>
  (found ??= firstOf(
    {
      Docker: async () => withClassPath(await contained('hazelcast', 'java'), '/opt/hazelcast/lib/*'),
      'Maven and Java': async () => {
        const java = await installed('java');
        return { ...withClassPath(java, await jar()), origin: 'jar by Maven' };
      },
    },
    'No Hazelcast can be started: set HAZELCAST_ADDRESSES, or start Docker, or install Maven and a Java of 17 or newer.',
  ));

function withClassPath({ origin, launch }, classPath) {
  return { origin, launch: (args, folder) => launch(['-cp', classPath, ...args], folder) };
}

/** The member's jar, kept in this project. If two runs fetch it in parallel, the first one's stays. */
async function jar() {
  const folder = join(
    process.env.SERVERS_DIR || join(import.meta.dirname, '../../.servers'),
    `hazelcast-${VERSION}`,
  );
  if (!existsSync(folder)) {
    const { command: maven } = (await installed('mvn')).launch([], '');
    await mkdir(join(folder, '..'), { recursive: true });
    const own = await mkdtemp(`${folder}-`);
    try {
      const goal = [
        'dependency:copy',
        `-Dartifact=com.hazelcast:hazelcast:${VERSION}`,
        `-DoutputDirectory=${own}`,
      ];
      await run(maven, ['--quiet', '--batch-mode', ...goal]);
      await rename(own, folder).catch((error) => {
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }
  return join(folder, `hazelcast-${VERSION}.jar`);
}
