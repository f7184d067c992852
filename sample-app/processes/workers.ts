import cluster, { type Worker } from 'node:cluster';

interface WorkersOptions {
  count: number;
  /** What every worker finds in its environment. */
  env: Record<string, string>;
  /** Called once, when all of them listen. */
  onReady: () => void;
}

/** A worker that lives shorter than this, in milliseconds, makes the next one wait. */
const SHORT_LIFE = 5000;
const LONGEST_WAIT = 10_000;
/** How many may die in a row while none has ever listened. */
const MOST_TRIES = 5;
/** How long, in milliseconds, workers have for what they are doing when all is to end. */
const GRACE = 5000;

/** Keeps `count` workers alive until SIGTERM or SIGINT, then ends them and this process. */
export function keepWorkers({ count, env, onReady }: WorkersOptions): void {
  const alive = new Map<Worker, { since: number; listens: boolean }>();
  let shortLives = 0;
  let anyListened = false;
  let isReady = false;
  let exitCode: number | undefined;

  function fork(): void {
    if (exitCode === undefined) alive.set(cluster.fork(env), { since: Date.now(), listens: false });
  }

  function stop(code: number): void {
    if (exitCode !== undefined) return;
    exitCode = code;
    if (alive.size === 0) process.exit(code);
    // Not `worker.kill()`: it cuts the line over which the worker still saves sessions.
    for (const { process: child } of alive.keys()) child.kill('SIGTERM');
    setTimeout(() => {
      for (const { process: child } of alive.keys()) child.kill('SIGKILL');
    }, GRACE);
  }

  // The other policy hands connections out, and one that was on its way to a worker that dies is never answered.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.on('listening', (worker) => {
    const life = alive.get(worker);
    if (life) life.listens = true;
    anyListened = true;
    if (isReady || [...alive.values()].filter(({ listens }) => listens).length < count) return;
    isReady = true;
    onReady();
  });

  cluster.on('exit', (worker, code, signal) => {
    const since = alive.get(worker)?.since ?? 0;
    alive.delete(worker);
    if (exitCode !== undefined) {
      if (alive.size === 0) process.exit(exitCode);
      return;
    }

    const reason = `worker ${worker.process.pid} ended (${signal ?? `code ${code}`})`;
    shortLives = Date.now() - since < SHORT_LIFE ? shortLives + 1 : 0;
    // One that ended by itself has said why, and the next would say the same.
    if (!anyListened && (!signal || shortLives === MOST_TRIES)) {
      console.error(`No worker could start: ${reason}.`);
      return stop(1);
    }
    const wait = shortLives < 2 ? 0 : Math.min(100 * 2 ** shortLives, LONGEST_WAIT);
    console.error(`${reason}; another starts ${wait === 0 ? 'now' : `in ${wait} ms`}.`);
    setTimeout(fork, wait);
  });

  process.on('SIGTERM', () => stop(0)).on('SIGINT', () => stop(0));
  for (let started = 0; started < count; started++) fork();
}
