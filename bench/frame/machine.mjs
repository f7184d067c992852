import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

/** The machine that figures are from, and how busy it is now. */
export function machine() {
  return {
    date: new Date().toISOString().slice(0, 10),
    processors: `${availableParallelism()} × ${cpus()[0]?.model.trim() || 'unknown processor'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    system: `${type()} ${release().replace(/[-+].*/, '')}`,
    node: process.version,
    load: Number(loadavg()[0].toFixed(1)),
  };
}

/** A warning if other programs use the processors, or `undefined`. */
export function busy({ load }) {
  if (load < availableParallelism() / 4) return undefined;
  return `The load of this machine is ${load}: other programs use its processors, and the figures will be wrong.`;
}
