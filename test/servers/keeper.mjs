// Runs the servers of the process that forked it, and leaves nothing of them when that process goes, however it goes:
// a spec that is killed cannot clean up after itself, but it does disconnect.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** What runs, by the number that the one who asked gave it. */
const running = new Map();
const folders = [];

const answers = {
  /** A folder that goes with the servers. */
  folder() {
    const folder = mkdtempSync(join(realpathSync(tmpdir()), 'session-server-'));
    folders.push(folder);
    return folder;
  },

  /** Starts a program, whose output goes to the file `output`, and gives its pid. */
  async start({ id, launch, output }) {
    const file = openSync(output, 'a');
    const child = spawn(launch.command, launch.args, {
      env: { ...process.env, ...launch.env },
      stdio: ['ignore', file, file],
    });
    closeSync(file);
    await once(child, 'spawn');
    running.set(id, { child, launch });
    child.once('exit', () => {
      running.delete(id);
      tell({ gone: id });
    });
    return child.pid;
  },

  /** Sends a signal, or runs what the program has for it: a container does not get its client's SIGKILL. */
  async signal({ id, signal }) {
    const { child, launch } = running.get(id) ?? {};
    if (!child) return;
    const [command, ...args] = launch.signals?.[signal] ?? [];
    if (!command) return void child.kill(signal);
    await run(command, args).catch((error) => {
      if (running.has(id)) throw error;
    });
  },
};

process.on('message', async ({ request, ask, ...about }) => {
  const answer = await Promise.resolve(about)
    .then(answers[ask])
    .then(
      (value) => ({ request, value }),
      (error) => ({ request, error: error.message }),
    );
  tell(answer);
});

/** Tells whom the servers are kept for; it may be gone, and that is seen elsewhere. */
function tell(message) {
  if (process.connected) process.send(message, () => {});
}

process.on('disconnect', async () => {
  await Promise.all([...running].map(([id, { child, launch }]) => end(id, child, launch)));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit();
});

async function end(id, child, launch) {
  const gone = once(child, 'exit');
  if (launch.signals?.SIGKILL) await answers.signal({ id, signal: 'SIGKILL' }).catch(() => {});
  child.kill('SIGKILL');
  await gone;
}
