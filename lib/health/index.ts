export { SessionHealthIndicator, type SessionHealth, type SessionReadinessOptions } from './indicator.js';
export type { ProbeResult, ShardHealth } from './probes.js';
