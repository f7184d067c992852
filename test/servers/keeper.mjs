// Runs the servers of the process that forked it, and removes them when that process exits for any reason: a spec that
// is killed cannot clean up after itself, but it does disconnect.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** The running programs, by the number that the requesting process gave them. */
const running = new Map();
const folders = [];

const handlers = {
  /** Creates a folder that is removed with the servers. */
  folder() {
    const folder = mkdtempSync(join(realpathSync(tmpdir()), 'session-server-'));
    folders.push(folder);
    return folder;
  },

  /** Starts a program, whose output goes to the file `output`. Resolves to its pid. */
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
      send({ gone: id });
    });
    return child.pid;
  },

  /** Sends a signal, or runs the program's command for it: a container does not receive its client's SIGKILL. */
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
  const reply = await Promise.resolve(about)
    .then(handlers[ask])
    .then(
      (value) => ({ request, value }),
      (error) => ({ request, error: error.message }),
    );
  send(reply);
});

/** Sends a message to the process that forked this one. If it has gone, that is handled on 'disconnect'. */
function send(message) {
  if (process.connected) process.send(message, () => {});
}

process.on('disconnect', async () => {
  await Promise.all([...running].map(([id, { child, launch }]) => end(id, child, launch)));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit();
});

async function end(id, child, launch) {
  const gone = once(child, 'exit');
  if (launch.signals?.SIGKILL) await handlers.signal({ id, signal: 'SIGKILL' }).catch(() => {});
  child.kill('SIGKILL');
  await gone;
}
